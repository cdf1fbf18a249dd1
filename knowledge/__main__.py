"""`python -m knowledge check`: checks the content files, exit 0 or a list of what is wrong; `table`, `export`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

from .checks import CheckContext, check_all
from .city import load_city
from .errors import NotFound
from .export import export_content
from .law_texts import load_law_texts
from .laws import LawRegister, load_laws
from .loading import CONTENT_FOLDER, Content, collect_content
from .taxonomy import load_taxonomy

SHARED_LAWS = Path("../shared/domain/laws")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m knowledge")
    parser.add_argument("command", choices=["check", "table", "export"])
    parser.add_argument("file", nargs="?", type=Path, help="export：写到哪个 .xlsx 或 .json")
    parser.add_argument("--only", default="", help="只看路径里含有这段文字的文件")
    parser.add_argument("--laws", type=Path, default=SHARED_LAWS, help="法规原文所在文件夹（没有就不核对数字）")
    parser.add_argument("--city", default="example")
    parser.add_argument("--warnings", action="store_true", help="也列出提醒")
    options = parser.parse_args()
    content, errors = collect_content(CONTENT_FOLDER)
    if options.command == "table":
        return _print_table(content)
    laws = load_laws()
    if options.command == "export":
        return _export(content, laws, options.file)
    texts = load_law_texts(options.laws, list(laws.laws.values())) if options.laws.is_dir() else {}
    context = CheckContext(content, load_taxonomy(), laws, load_city(options.city), date.today(), texts)
    context.whole = not options.only
    findings = check_all(context)
    if options.only:
        mine = {i for i, f in content.files.items() if options.only in f}
        findings = [f for f in findings if set(f.item.split("、")) & mine]
        errors = [e for e in errors if options.only in e.file]
    for error in errors:
        print(f"[错误] {error}")
    for finding in findings:
        if finding.severity == "error" or options.warnings:
            print(finding)
    bad = len(errors) + sum(f.severity == "error" for f in findings)
    print(f"{len(content.entries)} 条，{len(content.guides)} 份指南，{len(content.scenarios)} 个场景；"
          f"{bad} 个错误，{len(findings) - bad + len(errors)} 个提醒")
    return 1 if bad else 0


def _export(content: Content, laws: LawRegister, path: Path | None) -> int:
    try:
        if path is None:
            raise NotFound("请写明导出到哪个文件，例如 export 民政知识.xlsx")
        export_content(content, laws, path)
    except (NotFound, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"已导出 {len(content.entries)} 条问答、{len(content.guides)} 份指南、{len(content.scenarios)} 个场景到 {path}")
    return 0


def _print_table(content) -> int:  # type: ignore[no-untyped-def]
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in content.entries.values():
        row = rows[entry.area or entry.kind]
        row["entries"] += 1
        row["questions"] += len(entry.questions)
        row["sources"] += len(entry.sources)
        row["parameters"] += len(entry.parameters)
    for name, row in sorted(rows.items()):
        print(name, dict(row))
    total = sum(rows.values(), Counter())
    print("合计", dict(total))
    return 0


if __name__ == "__main__":
    sys.exit(main())

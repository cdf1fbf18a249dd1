"""Reading YAML into typed models; an error names file, line and field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from .errors import ContentError

M = TypeVar("M", bound=BaseModel)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_REASONS = {
    "missing": "缺少这一项",
    "extra_forbidden": "没有这个字段，请检查拼写",
    "string_type": "要写成文字（需要时加引号）",
    "string_too_short": "不能为空",
    "tuple_type": "要写成列表",
    "too_short": "条数太少",
    "too_long": "条数太多",
    "literal_error": "不是允许的取值",
    "string_pattern_mismatch": "格式不对",
    "date_from_datetime_parsing": "日期要写成 2026-01-31 的样子",
    "date_type": "日期要写成 2026-01-31 的样子",
}


def load_yaml_list(path: Path, model: type[M]) -> list[M]:
    """All items of a YAML list. Raises ContentError at the first fault."""
    node, data = _compose(path)
    if not isinstance(data, list):
        raise ContentError(str(path), 1, "(文件)", "应当是一个列表，每项以「- 」开头")
    return [_validate(path, node, (i,), item, model) for i, item in enumerate(data)]


def load_yaml_one(path: Path, model: type[M]) -> M:
    node, data = _compose(path)
    return _validate(path, node, (), data, model)


def _compose(path: Path) -> tuple[Any, Any]:
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        return node, loader.construct_document(node) if node is not None else None
    except UnicodeDecodeError as error:
        raise ContentError(str(path), 1, "(文件)", "不是 UTF-8 编码") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        raise ContentError(str(path), mark.line + 1 if mark else 1, "(YAML)", f"写法不对：{reason}") from error


def _validate(path: Path, root: Any, prefix: tuple[int | str, ...], data: Any, model: type[M]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors()
        first = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])  # a slip of spelling explains the rest
        loc = (*prefix, *first["loc"])
        reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
        name = data.get("id") if isinstance(data, dict) else None
        field = ".".join(str(part) for part in first["loc"]) or "(整项)"
        raise ContentError(
            str(path), _line_of(root, loc), f"{name}.{field}" if name else field, reason
        ) from error


def _line_of(node: Any, loc: Sequence[int | str]) -> int:
    line: int = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            found = next((v for k, v in node.value if k.value == part), None)
            if found is None:
                return line
            node = found
        else:
            return line
        line = node.start_mark.line + 1
    return line

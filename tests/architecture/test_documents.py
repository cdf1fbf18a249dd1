"""The documents agree with the code, and the tree keeps its rules."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bot.answer import Verdict
from bot.settings import Settings
from tests.conftest import ROOT, run_minda

README = (ROOT / "README.md").read_text(encoding="utf-8")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    if not listed:
        listed = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and ".envs" not in p.parts and "build" not in p.parts]
    return [ROOT / name for name in listed]


def test_the_readme_names_every_verdict_setting_and_command():
    for verdict in Verdict:
        assert f"`{verdict.value}`" in README
    for name in Settings.model_fields:
        assert f"MINDA_{name.upper()}" in README
    shown = subprocess.run([sys.executable, "-m", "bot", "--help"], cwd=ROOT, capture_output=True, text=True).stdout
    commands = set(re.findall(r"│ ([a-z][a-z-]+) ", shown)) or set(re.findall(r"^\s{2,}([a-z][a-z-]+)\s", shown, re.M))
    assert {"ask", "check", "serve", "staff"} <= commands
    for command in commands - {"staff"}:
        assert f"run.py minda {command}" in README, command
    assert "run.py minda staff add" in README


def test_every_command_of_the_readme_runs(small_data, tmp_path):
    """What starts the service and what runs the tests is covered in tests/setup and by this very run."""
    from tests.conftest import CONTENT, copy_data

    data = copy_data(small_data, tmp_path / "data")
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"id":"1","q":"离婚冷静期多久","set":"in_scope","expect":"answer","area":"A03","must":[["30日"]]}\n')
    for block in re.findall(r"```bash\n(.*?)```", README, re.S):
        for line in block.strip().splitlines():
            assert line.startswith("python3 run.py"), line
    checks = [
        (["ask", "结婚登记要带户口本吗"], "不用带户口簿"),
        (["ask", "低保标准是多少", "--as-of", "2026-08-15"], "840元"),
        (["ask", "离婚冷静期多久", "--json"], '"verdict": "answer_direct"'),
        (["eval", str(questions), "--out", str(tmp_path / "r.jsonl"), "--misses", str(tmp_path / "m.jsonl")], "key_facts_of_answered"),
        (["load-content", str(CONTENT)], "未变"),
        (["build-index", "--keep-model"], ""),
        (["train", "--seed", "1"], "留一检验"),
        (["train-encoder", "--steps", "1", "--margin", "2"], "保留原来的"),
        (["check"], "示例城市"),
        (["backup", str(tmp_path / "b.db")], "已备份"),
        (["restore", str(tmp_path / "b.db")], "已恢复"),
    ]
    for arguments, expected in checks:
        done = run_minda(data, *arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr[-1500:])
        assert expected in done.stdout, (arguments, done.stdout)
    assert run_minda(data, "explain", "nothing").returncode == 1
    assert run_minda(data, "backup", str(tmp_path / "b.db")).returncode == 1, "never over an existing file"


def test_wrong_settings_stop_the_start_with_a_clear_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bot", "check"], cwd=ROOT, capture_output=True, text=True, env={"PATH": "/usr/bin", "MINDA_PORT": "many"}
    )
    assert done.returncode == 78
    assert "port" in done.stderr


def test_the_rasa_project_imports_nothing_of_ours():
    for path in (ROOT / "bot" / "rasa").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
                assert node.level == 0
            assert not [n for n in names if n.split(".")[0] in ("bot", "index", "knowledge", "connectors")], path


def test_no_registry_host_and_no_machine_path_is_tracked():
    hosts = re.compile("py" + r"pi\.org|python" + r"hosted|registry\.npm" + r"js|deb\.deb" + "ian")
    places = re.compile(r"(?<![\w.])/(" + "wo" + "rk|ro" + "ot|ho" + r"me/[a-z]+)/")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".js", ".html", ".lock", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not hosts.search(text), path
            assert not places.search(text), path


def test_ci_runs_the_readmes_test_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "python3 run.py test" in script.read_text()
    assert "python3 run.py test" in README


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda p: p.stem)
def test_a_decision_says_what_and_why(path):
    text = path.read_text(encoding="utf-8")
    assert path.name[:4] == text[2:6]
    assert "**决定**" in text
    assert "**为什么**" in text

"""民答 Minda：一条命令建好一切并启动。只用标准库，Python 3.11 以上。

python3 run.py [--port N] [--data DIR] [--no-browser]   建好环境和数据，启动服务
python3 run.py test [pytest 参数]                        建好测试要的一切，跑全部测试
python3 run.py minda …                                   在应用环境里运行 minda 命令
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import hashlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import venv
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVS = ROOT / ".envs"
APP_LOCK = ROOT / "locks" / "app.lock"
RASA_LOCK = ROOT / "bot" / "rasa" / "requirements.lock"
TORCH = "torch==2.13.0"
RASA_SERIES = (3, 10)
NEEDED_GB = 8
DEFAULT_PORT = 8000
STOP_WITHIN_S = 10
STABLE_S = 60
LOOK_EVERY_S = 5
TURN_ENDS_S = 3
"""longer than the gateway waits for a turn"""
PAUSES_S = (1, 2, 5, 10, 20, 30)
STAGE_MINUTES = 40
READY_WITHIN_S = 600
"""what was published while nothing ran is indexed first"""


class Stop(Exception):
    """Something that only the person at the keyboard can mend; the message says what."""


def say(line: str) -> None:
    print(line, flush=True)


# ---- environments ---------------------------------------------------------------------------------------------------


def child_environment(**more: str) -> dict[str, str]:
    """PYTHONDONTWRITEBYTECODE is left out: without bytecode every start compiles all libraries anew, Rasa's for 15 seconds."""
    left_out = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if k not in left_out}
    return {**kept, "PYTHONUTF8": "1", "TOKENIZERS_PARALLELISM": "false", "RASA_TELEMETRY_ENABLED": "false", **more}


def version_of(python: str) -> tuple[int, int] | None:
    """Runs the interpreter: a version manager's shim may be there and still fail."""
    try:
        done = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, timeout=20,
            env=child_environment(),
        )  # fmt: skip
        major, minor = done.stdout.split()
        return (int(major), int(minor)) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def rasa_candidates() -> list[str]:
    home = Path.home()
    found = [os.environ.get("RASA_PYTHON", ""), shutil.which("python3.10") or ""]
    for pattern in (
        ".pyenv/versions/3.10*/bin/python", ".local/share/uv/python/*3.10*/bin/python3.10",
        ".asdf/installs/python/3.10*/bin/python", "miniconda3/envs/*/bin/python3.10", "anaconda3/envs/*/bin/python3.10",
    ):  # fmt: skip
        found += [str(p) for p in sorted(home.glob(pattern), reverse=True)]
    found += ["/usr/bin/python3.10", "/usr/local/bin/python3.10", "/opt/python3.10/bin/python3.10"]
    return [f for f in dict.fromkeys(found) if f]


def find_rasa_python() -> str | None:
    return next((c for c in rasa_candidates() if version_of(c) == RASA_SERIES), None)


def stamp_of(lock: Path, version: tuple[int, int], extra: str = "") -> str:
    return hashlib.sha256(f"{version}{extra}".encode() + lock.read_bytes()).hexdigest()


def ensure_environment(name: str, python: str, version: tuple[int, int], lock: Path, first: list[str]) -> Path:
    """.envs/NAME built from the lock; an unfinished or outdated one is built again. Returns its python."""
    folder = ENVS / name
    stamp_file, wanted = folder / "minda.stamp", stamp_of(lock, version, " ".join(first))
    inside = folder / "bin" / "python"
    if stamp_file.is_file() and stamp_file.read_text() == wanted and inside.exists():
        return inside
    check_disk()
    say(f"▸ 建立 {name} 环境（第一次要几分钟）")
    shutil.rmtree(folder, ignore_errors=True)
    if name == "app":
        venv.create(folder, with_pip=True)
    else:
        step([python, "-m", "venv", str(folder)], "建立虚拟环境")
    pip = [str(inside), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-q"]
    for package in first:
        step([*pip, package], f"安装 {package}")
    step([*pip, "--no-deps", "--no-compile", "-r", str(lock)], f"安装 {sum(1 for _ in lock.open())} 个依赖包")
    stamp_file.write_text(wanted)
    return inside


def check_disk() -> None:
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB:
        raise Stop(f"磁盘只剩 {free:.1f} GB，第一次安装要 {NEEDED_GB} GB，请先腾出空间。")


def step(command: list[str], what: str, **options: str) -> None:
    """Runs a command with a line that shows that time passes; its output only where it fails."""
    started = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=child_environment(**options), cwd=ROOT
    ) as process:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        shown = 0.0
        while process.poll() is None:
            time.sleep(0.2)
            elapsed = time.monotonic() - started
            if elapsed - shown >= 10:
                shown = elapsed
                say(f"  … {what}：{elapsed:.0f} 秒")
        reader.join(timeout=5)
    if process.returncode != 0:
        say("".join(lines[-30:]))
        raise Stop(f"{what}没有成功（退出码 {process.returncode}），原因见上面几行。")
    say(f"  ✓ {what}（{time.monotonic() - started:.0f} 秒）")


def ensure_app() -> Path:
    if sys.version_info < (3, 11):
        raise Stop(f"需要 Python 3.11 以上，现在是 {sys.version.split()[0]}。")
    return ensure_environment("app", sys.executable, sys.version_info[:2], APP_LOCK, [TORCH])


def ensure_rasa() -> Path | None:
    python = find_rasa_python()
    if python is None:
        say("! 没有找到 Python 3.10，先以单轮模式运行（多轮对话用不了）。装好 Python 3.10 或设 RASA_PYTHON 后重新运行即可。")
        return None
    return ensure_environment("rasa", python, RASA_SERIES, RASA_LOCK, [])


# ---- running --------------------------------------------------------------------------------------------------------


def die_with_parent() -> None:
    """In the child: its own process group, and no life after the launcher's end (Linux)."""
    os.setpgrp()
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    except (OSError, AttributeError):
        pass


class Supervised:
    """A child process that is started again when it ends, after a growing pause."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.failures = 0
        self.started_at = 0.0
        self.again_at = 0.0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, stdout=output, stderr=subprocess.STDOUT, env=self.environment, cwd=ROOT,
                preexec_fn=die_with_parent,
            )  # fmt: skip
        self.started_at = time.monotonic()
        self.again_at = 0.0

    def tend(self) -> None:
        """Notices an end and starts again when the pause is over."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            if now - self.started_at > STABLE_S:
                self.failures = 0
            pause = PAUSES_S[min(self.failures, len(PAUSES_S) - 1)]
            say(f"! {self.name} 停了（退出码 {self.process.returncode}），{pause} 秒后重新启动，日志在 {self.log}")
            self.process, self.failures, self.again_at = None, self.failures + 1, now + pause
        elif self.process is None and self.again_at and now >= self.again_at:
            self.start()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
            except OSError:
                say(f"! 端口 {port} 已被占用，换一个。")
    raise Stop("没有可用的端口。")


def only_one(data: Path) -> object:
    """Holds data/run/lock while this launcher lives. Raises Stop where another one does."""
    (data / "run").mkdir(parents=True, exist_ok=True)
    lock = (data / "run" / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        raise Stop(f"这个数据文件夹的服务已经在运行：{lock.read().strip() or data}") from None
    return lock


def shared_secret(data: Path) -> str:
    path = data / "run" / "secret"
    if not path.is_file():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text().strip()


def get(port: int, path: str, timeout: float = 2) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def wait_for(check: object, seconds: float, tend: object = None) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():  # type: ignore[operator]
            return True
        if tend is not None:
            tend()  # type: ignore[operator]
        time.sleep(0.2)
    return False


def rasa_answers(port: int, secret: str) -> bool:
    """A probe turn gives what the model should say: an open port is not enough."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        body = json.dumps({"sender": "0" * 32, "message": "谢谢"})
        connection.request("POST", "/webhooks/rest/webhook", body, {"X-Minda-Secret": secret})
        return '"say"' in connection.getresponse().read().decode()
    except OSError:
        return False
    finally:
        connection.close()


def serve(options: argparse.Namespace) -> int:
    started = time.monotonic()
    data = options.data.resolve()
    lock = only_one(data)
    app_python = ensure_app()
    rasa_python = None if options.no_rasa else ensure_rasa()
    secret, port, rasa_port = shared_secret(data), free_port(options.port), free_port(0)
    environment = child_environment(
        MINDA_DATA_DIR=str(data), MINDA_SECRET=secret, MINDA_PORT=str(port),
        MINDA_RASA_URL=f"http://127.0.0.1:{rasa_port}" if rasa_python else "",
    )  # fmt: skip
    environment = {k: v for k, v in environment.items() if v or k != "MINDA_RASA_URL"}
    prepare(app_python, environment, data)
    gateway = Supervised(
        "网关", [str(app_python), "-m", "bot", "serve"], environment, data / "run" / "gateway.log"
    )
    children: list[Supervised | Dialogue] = [gateway]
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    if rasa_python is not None:
        children.append(Dialogue(rasa_python, rasa_port, port, secret, data, gateway))
    try:
        for child in children:
            child.start()
        if not wait_for(lambda: get(port, "/readyz")[0] == 200 or stopping.is_set(), READY_WITHIN_S, lambda: _tend(children)):
            raise Stop(f"网关没有起来，日志在 {gateway.log}")
        _announce(lock, port, time.monotonic() - started)
        if not options.no_browser and sys.stdout.isatty():
            webbrowser.open(f"http://127.0.0.1:{port}/chat")
        while not stopping.wait(0.5):
            _tend(children)
    finally:
        for child in reversed(children):
            child.stop()
    say("已停止。")
    return 0


def prepare(app_python: Path, environment: dict[str, str], data: Path) -> None:
    """Skipped where the files that go into the data are those of the last time."""
    stamp, wanted = data / "run" / "prepared", prepared_from(data)
    if wanted and stamp.is_file() and stamp.read_text() == wanted:
        return
    say("▸ 准备数据（数据库、编码器、知识、索引）")
    if subprocess.run([str(app_python), "-W", "ignore", "-m", "bot", "prepare"], env=environment, cwd=ROOT).returncode != 0:
        raise Stop("准备数据没有成功，原因见上面几行。")
    stamp.write_text(prepared_from(data))


def prepared_from(data: Path) -> str:
    """Of the content and the code that makes data of it, and of the settings; empty where a part of the data is missing."""
    made, database = [data / "index" / "current", data / "rasa" / "project" / "domain.yml"], data / "minda.db"
    if "MINDA_DATABASE_URL" not in os.environ:
        made.append(database)
    if not all(path.is_file() for path in made):
        return ""
    which = database.stat().st_ino if database in made else 0  # another file once a backup was restored
    digest = hashlib.sha256(repr(sorted((k, v) for k, v in os.environ.items() if k.startswith("MINDA_"))).encode() + str(which).encode())
    for folder in ("knowledge", "index", "bot"):
        for path in sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".yaml", ".yml")):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _tend(children: list[Supervised | Dialogue]) -> None:
    for child in children:
        child.tend()


def _announce(lock: object, port: int, seconds: float) -> None:
    address = f"http://127.0.0.1:{port}"
    lock.seek(0)  # type: ignore[attr-defined]
    lock.truncate()  # type: ignore[attr-defined]
    lock.write(address)  # type: ignore[attr-defined]
    lock.flush()  # type: ignore[attr-defined]
    say(f"✓ 可以提问了（{seconds:.0f} 秒）")
    say(f"  对话页      {address}/chat")
    say(f"  工作台      {address}/desk   （第一个账号：python3 run.py minda staff add 姓名 --role officer）")
    say(f"  接口        {address}/api/v1  说明 {address}/openapi.json")
    say("  按 Ctrl-C 停止。")


class Dialogue:
    """The Rasa process. When its project has changed, a new model is trained and started beside the old one; the gateway
    turns to it once it answers, and the old one stops afterwards, so that no turn is lost. All from the main thread:
    a child dies with the thread that started it."""

    name = "对话进程"

    def __init__(self, python: Path, first_port: int, port: int, secret: str, data: Path, gateway: Supervised) -> None:
        self.python, self.next_port, self.port, self.secret, self.data = python, first_port, port, secret, data
        self.gateway = gateway
        self.model = data / "rasa"
        self.project = self.model / "project"
        self.digest = ""
        self.looked_at = self.began_at = self.old_until = 0.0
        self.training: subprocess.Popen[bytes] | None = None
        self.current: Supervised | None = None
        self.fresh: Supervised | None = None
        self.old: Supervised | None = None

    def start(self) -> None:
        """Begins with the training, which is skipped where nothing has changed."""
        if not self.digest:
            say("▸ 训练对话模型（没有变化时跳过）")
        self.began_at, self.digest = time.monotonic(), project_digest(self.project)
        command = [str(self.python), "-W", "ignore", "bot/rasa/train.py", str(self.project), str(self.model)]
        with (self.data / "run" / "rasa-train.log").open("wb") as output:
            self.training = subprocess.Popen(
                command, env=self._environment(), cwd=ROOT, stdout=output, stderr=output, preexec_fn=die_with_parent
            )

    def tend(self) -> None:
        """One step further, without waiting: trained → started → answering → the gateway turns to it → the old one stops."""
        now = time.monotonic()
        if self.current is not None:
            self.current.tend()
        if self.old is not None and now >= self.old_until:
            self.old.stop()
            self.old = None
        if self.training is not None:
            if self.training.poll() is not None:
                self._trained(self.training.returncode)
        elif self.fresh is not None:
            self.fresh.tend()
            if rasa_answers(int(self.fresh.command[-1]), self.secret):
                self._take_over(self.fresh)
        elif now - self.looked_at >= LOOK_EVERY_S:
            self.looked_at = now
            if project_digest(self.project) not in ("", self.digest):
                self.start()

    def stop(self) -> None:
        if self.training is not None and self.training.poll() is None:
            self.training.kill()
            self.training.wait()
        for child in (self.old, self.fresh, self.current):
            if child is not None:
                child.stop()

    def _trained(self, code: int) -> None:
        self.training = None
        if code != 0:
            log = self.data / "run" / "rasa-train.log"
            say(f"! 对话模型没有训练成功（日志在 {log}），{'沿用原来的' if self.current else '以单轮模式运行'}。")
            return
        command = [str(self.python), "-W", "ignore", "bot/rasa/launcher.py", str(self.model / "minda.tar.gz"), str(self.next_port)]
        self.fresh = Supervised(self.name, command, self._environment(), self.data / "run" / "rasa.log")
        self.fresh.start()
        self.next_port = free_port(0)

    def _take_over(self, fresh: Supervised) -> None:
        if self.current is not None and not self._turn_gateway(int(fresh.command[-1])):
            return
        self.old, self.old_until = self.current, time.monotonic() + TURN_ENDS_S
        self.current, self.fresh = fresh, None
        what = "对话模型已更新" if self.old else "多轮对话就绪"
        say(f"✓ {what}（{time.monotonic() - self.began_at:.0f} 秒）")

    def _turn_gateway(self, rasa_port: int) -> bool:
        """Tells the gateway the new address, also for when it is started again."""
        url = f"http://127.0.0.1:{rasa_port}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            headers = {"X-Minda-Secret": self.secret, "Content-Type": "application/json"}
            connection.request("POST", "/internal/dialogue", json.dumps({"url": url}), headers)
            turned = connection.getresponse().status == 200
        except OSError:
            turned = False
        finally:
            connection.close()
        if turned:
            self.gateway.environment["MINDA_RASA_URL"] = url
        return turned

    def _environment(self) -> dict[str, str]:
        gateway = f"http://127.0.0.1:{self.port}/internal"
        return child_environment(
            MINDA_SECRET=self.secret, MINDA_ENCODE_URL=f"{gateway}/encode", MINDA_ACTION_URL=f"{gateway}/rasa/actions",
            OMP_NUM_THREADS="1", LOG_LEVEL="ERROR", MPLCONFIGDIR=str(self.data / "run"), TF_CPP_MIN_LOG_LEVEL="3",
        )  # fmt: skip


def project_digest(project: Path) -> str:
    """Of the compiled Rasa project; empty while it is being replaced."""
    digest = hashlib.sha256()
    try:
        for path in sorted(p for p in project.rglob("*.yml") if "tests" not in p.parts[-2:]):
            digest.update(path.name.encode() + path.read_bytes())
    except OSError:
        return ""
    return digest.hexdigest() if (project / "domain.yml").is_file() else ""


# ---- tests ----------------------------------------------------------------------------------------------------------


def ensure_system_packages() -> None:
    """Chromium, Chinese fonts and a PostgreSQL server for the tests, by apt where that is possible."""
    wanted = []
    if not any(shutil.which(n) for n in ("chromium", "chromium-browser", "google-chrome")):
        wanted.append("chromium")
    if not any(Path("/usr/share/fonts").rglob("NotoSansCJK*")):
        wanted.append("fonts-noto-cjk")
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        wanted.append("postgresql")
    if not wanted:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        say(f"! 测试还要 {'、'.join(wanted)}，请先安装；缺的那部分测试会明说跳过（CI 里算失败）。")
        return
    step(["apt-get", "update", "-q"], "更新软件包清单", DEBIAN_FRONTEND="noninteractive")
    step(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *wanted], f"安装 {'、'.join(wanted)}",
        DEBIAN_FRONTEND="noninteractive",
    )  # fmt: skip


def test(arguments: list[str]) -> int:
    python = str(ensure_app())
    rasa_python = ensure_rasa()
    ensure_system_packages()
    environment = child_environment(
        MINDA_TEST_RASA_PYTHON=str(rasa_python or ""), OMP_NUM_THREADS="2"
    )
    if arguments:
        return subprocess.run([python, "-m", "pytest", *arguments], env=environment, cwd=ROOT).returncode
    bin_folder = Path(python).parent
    pytest = [python, "-m", "pytest", "-q"]
    stages = [
        ("写法检查 ruff", [str(bin_folder / "ruff"), "check", "."]),
        ("类型检查 mypy", [python, "-m", "mypy"]),
        ("依赖方向 import-linter", [str(bin_folder / "lint-imports")]),
        ("单元测试", [*pytest, "-m", "not rasa and not browser"]),
        ("浏览器测试", [*pytest, "-m", "browser"]),
        ("对话测试（真实 Rasa）", [*pytest, "-m", "rasa"]),
    ]
    totals, failed = {"passed": 0, "failed": 0, "skipped": 0}, []
    for name, command in stages:
        say(f"▸ {name}")
        started = time.monotonic()
        code, output = _run_stage(command, environment)
        for word, count in re.findall(r"(\d+) (passed|failed|skipped|error)", output[-400:]):
            totals["failed" if count == "error" else count] += int(word)
        say(f"  {'✓' if code == 0 else '✗'} {name}（{time.monotonic() - started:.0f} 秒）")
        if code != 0:
            failed.append(name)
    if failed:
        say(f"没有通过：{'、'.join(failed)}")
        totals["failed"] = max(totals["failed"], len(failed))
    say(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if failed else 0


def _run_stage(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT,
        preexec_fn=die_with_parent,
    ) as process:  # fmt: skip
        timer = threading.Timer(STAGE_MINUTES * 60, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
        timer.cancel()
    return process.returncode, "".join(lines)


# ---- command line ---------------------------------------------------------------------------------------------------


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--port", type=int, default=int(os.environ.get("MINDA_PORT", DEFAULT_PORT)), help="网关端口")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MINDA_DATA_DIR", ROOT / "data")), help="数据文件夹")
    parser.add_argument("--no-browser", action="store_true", help="不自动打开浏览器")
    parser.add_argument("--no-rasa", action="store_true", help="单轮模式，不启动对话进程")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["test"]:
            return test(arguments[1:])
        if arguments[:1] == ["minda"]:
            environment = child_environment()
            environment.setdefault("MINDA_DATA_DIR", str(ROOT / "data"))
            return subprocess.run([str(ensure_app()), "-m", "bot", *arguments[1:]], env=environment, cwd=ROOT).returncode
        return serve(parse(arguments))
    except Stop as stop:
        say(f"✗ {stop}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

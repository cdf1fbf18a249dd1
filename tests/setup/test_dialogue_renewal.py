"""A changed dialogue project is trained, started beside the old one, taken over by the gateway, and only then the old one stops."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import free_port
from tests.setup.test_run import run

PYTHON = """#!{python}
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
script = sys.argv[3]
if script.endswith("train.py"):
    sys.exit(open({fails!r}).read() == "yes")
class Rasa(BaseHTTPRequestHandler):
    def do_POST(self):
        body = b'[{{"custom": {{"say": "thank"}}}}]'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
HTTPServer(("127.0.0.1", int(sys.argv[-1])), Rasa).serve_forever()
"""
"""stands in for Rasa's interpreter: trains at once, answers the probe"""


class Gateway:
    """Takes the new address as the real one does."""

    def __init__(self):
        self.urls, self.environment, gateway = [], {}, self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                gateway.urls.append((self.path, self.headers["X-Minda-Secret"], body["url"]))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]


@pytest.fixture
def gateway():
    opened = Gateway()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


@pytest.fixture
def dialogue(tmp_path, gateway, monkeypatch):
    monkeypatch.setattr(run, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(run, "TURN_ENDS_S", 0.3)
    fails = tmp_path / "fails"
    fails.write_text("no")
    python = tmp_path / "python"
    python.write_text(PYTHON.format(python=sys.executable, fails=str(fails)))
    python.chmod(0o755)
    (tmp_path / "run").mkdir()
    project = tmp_path / "rasa" / "project"
    project.mkdir(parents=True)
    (project / "domain.yml").write_text("one")
    opened = run.Dialogue(python, free_port(), gateway.port, "secret", tmp_path, gateway)
    opened.fails = fails
    yield opened
    opened.stop()


def tend_until(dialogue, condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        dialogue.tend()
        time.sleep(0.05)


def test_a_changed_project_is_taken_over_without_a_gap(dialogue, gateway):
    dialogue.start()
    tend_until(dialogue, lambda: dialogue.current is not None)
    first = dialogue.current
    assert gateway.urls == [], "the gateway knew the first address from the start"
    (dialogue.project / "domain.yml").write_text("two")
    tend_until(dialogue, lambda: dialogue.current is not first)
    assert first.process.poll() is None, "turns under way end with the old one"
    assert gateway.urls == [("/internal/dialogue", "secret", f"http://127.0.0.1:{dialogue.current.command[-1]}")]
    assert gateway.environment["MINDA_RASA_URL"] == gateway.urls[0][2], "a gateway that is started again knows it too"
    tend_until(dialogue, lambda: dialogue.old is None)
    assert first.process.poll() is not None
    assert dialogue.current.process.poll() is None


def test_a_training_that_fails_changes_nothing(dialogue, gateway, capsys):
    dialogue.start()
    tend_until(dialogue, lambda: dialogue.current is not None)
    first = dialogue.current
    dialogue.fails.write_text("yes")
    (dialogue.project / "domain.yml").write_text("two")
    tend_until(dialogue, lambda: "没有训练成功" in capsys.readouterr().out)
    for _ in range(5):
        dialogue.tend()
        time.sleep(0.05)
    assert dialogue.current is first
    assert dialogue.training is None, "the same project is not tried again and again"
    assert gateway.urls == []


def test_a_project_that_is_being_replaced_is_left_alone(dialogue):
    (dialogue.project / "domain.yml").unlink()
    assert run.project_digest(dialogue.project) == ""
    assert run.project_digest(dialogue.project.with_name("none")) == ""

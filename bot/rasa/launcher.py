"""Starts Rasa 3.6.21 without its worst defaults: `python launcher.py MODEL PORT`.

The action schema is compiled once instead of being checked on every call, an action is sent what it reads and in one
piece, the rules that fit a state are looked up once a state, actions time out after a second, a turn has few
predictions, every route asks for the shared secret (Rasa's own token leaves the webhook open), and the process listens
on loopback only. Refuses to start where a patched name is missing.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

VERSION = "3.6.21"
ACTION_TIMEOUT_S = 1
RESPONSE_TIMEOUT_S = 5
MAX_PREDICTIONS = "6"
MAX_STATES = 20_000
KEEPALIVE_S = 2
"""less than the gateway's 5 s, so that it never closes a connection in use"""

os.environ["MAX_NUMBER_OF_PREDICTIONS"] = MAX_PREDICTIONS
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
os.environ.setdefault("SANIC_REGISTER", "false")


def import_quickly() -> None:
    """TensorFlow Lite's converter would load jax, a second a start; skops, which reads the classifier, looks 765 names up
    in every module there is, seconds once TensorFlow is among them."""
    sys.modules["jax"] = None  # type: ignore[assignment]
    import skops.io  # noqa: F401


def patch_actions() -> None:
    import jsonschema
    import rasa.core.actions.action as action

    if not hasattr(action.RemoteAction, "_action_call_format") or not hasattr(action, "DEFAULT_REQUEST_TIMEOUT"):
        sys.exit("这个版本的 Rasa 没有要改的名字，不能用这个启动器")
    schema = action.RemoteAction.action_response_format_spec()
    validator = jsonschema.validators.validator_for(schema)(schema)

    def validate(self: Any, result: dict[str, Any]) -> bool:
        validator.validate(result)
        return True

    def call_format(self: Any, tracker: Any, domain: Any) -> dict[str, Any]:
        """What our actions read: sending every event and slot costs more than deciding."""
        message = tracker.latest_message
        said = {
            "intent": {"name": (message.intent or {}).get("name")},
            "metadata": {"turn_id": (message.metadata or {}).get("turn_id")},
        } if message else None  # fmt: skip
        return {"next_action": self.name(), "sender_id": tracker.sender_id, "tracker": {"latest_message": said}}

    action.RemoteAction._validate_action_result = validate
    action.RemoteAction._action_call_format = call_format
    action.DEFAULT_REQUEST_TIMEOUT = ACTION_TIMEOUT_S


def patch_rules() -> None:
    """Which rules a state fits is worked out once a state: Rasa tries every rule against every state, on every prediction."""
    from rasa.core.policies.rule_policy import RulePolicy

    if not hasattr(RulePolicy, "_get_possible_keys") or not hasattr(RulePolicy, "_is_rule_applicable"):
        sys.exit("这个版本的 Rasa 没有要改的名字，不能用这个启动器")
    fitting: dict[tuple[int, int, str], frozenset[str]] = {}
    longest: dict[int, int] = {}

    def possible_keys(self: Any, lookup: dict[str, str], states: list[Any]) -> set[str]:
        which = id(lookup)
        if which not in longest:
            longest[which] = max((len(json.loads(key)) for key in lookup), default=0)
        keys = frozenset(lookup)
        for at, state in enumerate(reversed(states[-longest[which] :] if longest[which] else [])):
            name = (which, at, repr(sorted((kind, sorted(part.items())) for kind, part in state.items())))
            if name not in fitting:
                if len(fitting) >= MAX_STATES:
                    fitting.clear()
                fitting[name] = frozenset(k for k in lookup if self._is_rule_applicable(k, at, state))
            keys &= fitting[name]
            if not keys:
                break
        return set(keys)

    RulePolicy._get_possible_keys = possible_keys


def patch_classifier() -> None:
    """Its weights lie as sparse rows are multiplied with them; else they are copied for every text."""
    import numpy as np
    from rasa.nlu.classifiers.logistic_regression_classifier import LogisticRegressionClassifier

    load = LogisticRegressionClassifier.load.__func__

    def load_in_order(cls: Any, *args: Any, **kwargs: Any) -> Any:
        component = load(cls, *args, **kwargs)
        component.clf.coef_ = np.asfortranarray(component.clf.coef_)
        return component

    LogisticRegressionClassifier.load = classmethod(load_in_order)


def patch_writing() -> None:
    """An action's head and body leave in one piece: a write costs more than what it carries."""
    from aiohttp.http_writer import StreamWriter, _serialize_headers

    write, write_eof = StreamWriter._write, StreamWriter.write_eof

    async def keep_headers(self: Any, status_line: str, headers: Any) -> None:
        self.head = _serialize_headers(status_line, headers)

    def write_with_head(self: Any, chunk: bytes) -> None:
        head, self.head = getattr(self, "head", b""), b""
        write(self, head + chunk)

    async def flush_and_end(self: Any, chunk: bytes = b"") -> None:
        if getattr(self, "head", b"") and not chunk:
            write_with_head(self, b"")
        await write_eof(self, chunk)

    StreamWriter.write_headers, StreamWriter._write, StreamWriter.write_eof = keep_headers, write_with_head, flush_and_end


def patch_plumbing() -> None:
    """An event's class is looked up by name instead of by a walk over all classes, a slot is copied without pickling,
    the graph runs without dask's scheduler, and actions keep their connection."""
    import aiohttp
    import dask.core
    import rasa.engine.runner.dask as runner
    from rasa.shared.core.events import Event
    from rasa.shared.core.slots import Slot
    from rasa.utils.endpoints import EndpointConfig

    if not hasattr(runner, "dask") or not hasattr(EndpointConfig, "session"):
        sys.exit("这个版本的 Rasa 没有要改的名字，不能用这个启动器")
    runner.dask = SimpleNamespace(get=dask.core.get)
    Event.resolve_by_type = staticmethod(lru_cache(Event.resolve_by_type))

    def copy_slot(self: Any) -> Any:
        fresh = object.__new__(type(self))
        fresh.__dict__.update(self.__dict__)
        return fresh

    Slot.__copy__ = copy_slot
    open_sessions: dict[int, aiohttp.ClientSession] = {}

    @asynccontextmanager
    async def session(self: Any) -> AsyncIterator[aiohttp.ClientSession]:
        kept = open_sessions.get(id(self))
        if kept is None or kept.closed:
            connector = aiohttp.TCPConnector(keepalive_timeout=KEEPALIVE_S)
            timeout = aiohttp.ClientTimeout(total=ACTION_TIMEOUT_S)
            kept = open_sessions[id(self)] = aiohttp.ClientSession(headers=self.headers, connector=connector, timeout=timeout)
        yield kept

    EndpointConfig.session = session


def patch_server(secret: str) -> None:
    import rasa.core.run as run
    from sanic import response

    configure = run.configure_app
    expected = secret.encode()

    def configure_with_secret(*args: Any, **kwargs: Any) -> Any:
        app = configure(*args, **kwargs)

        async def require_secret(request: Any) -> Any:
            given = (request.headers.get("x-minda-secret") or "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, expected):
                return response.json({"status": "unauthorised"}, 401)
            return None

        app.register_middleware(require_secret, "request")
        return app

    run.configure_app = configure_with_secret


def main() -> None:
    model, port = Path(sys.argv[1]), int(sys.argv[2])
    project = Path(__file__).parent
    sys.path.insert(0, str(project))
    import_quickly()
    import rasa

    if rasa.__version__ != VERSION:
        sys.exit(f"需要 Rasa {VERSION}，装的是 {rasa.__version__}")
    from rasa.core.run import serve_application
    from rasa.core.utils import AvailableEndpoints
    from rasa.utils.log_utils import configure_structlog

    logging.getLogger().setLevel(logging.ERROR)
    configure_structlog(logging.ERROR)  # at lower levels Rasa writes what citizens say
    patch_actions()
    patch_rules()
    patch_classifier()
    patch_plumbing()
    patch_writing()
    patch_server(os.environ["MINDA_SECRET"])
    serve = partial(
        serve_application, str(model), interface="127.0.0.1", port=port, credentials=str(project / "credentials.yml"),
        endpoints=AvailableEndpoints.read_endpoints(str(project / "endpoints.yml")), enable_api=False,
        response_timeout=RESPONSE_TIMEOUT_S,
    )  # fmt: skip
    serve()


if __name__ == "__main__":
    main()

"""Starts Rasa 3.6.21 without its worst defaults: `python launcher.py MODEL PORT`.

The action schema is compiled once instead of being checked on every call, actions time out after a second, a turn
has few predictions, every route asks for the shared secret (Rasa's own token leaves the webhook open), and the
process listens on loopback only. Refuses to start where a patched name is missing.
"""

from __future__ import annotations

import hmac
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

VERSION = "3.6.21"
ACTION_TIMEOUT_S = 1
RESPONSE_TIMEOUT_S = 5
MAX_PREDICTIONS = "6"

os.environ["MAX_NUMBER_OF_PREDICTIONS"] = MAX_PREDICTIONS
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
os.environ.setdefault("SANIC_REGISTER", "false")


def patch_actions() -> None:
    import jsonschema
    import rasa.core.actions.action as action

    if not hasattr(action.RemoteAction, "_validate_action_result") or not hasattr(action, "DEFAULT_REQUEST_TIMEOUT"):
        sys.exit("这个版本的 Rasa 没有要改的名字，不能用这个启动器")
    schema = action.RemoteAction.action_response_format_spec()
    validator = jsonschema.validators.validator_for(schema)(schema)

    def validate(self: Any, result: dict[str, Any]) -> bool:
        validator.validate(result)
        return True

    action.RemoteAction._validate_action_result = validate
    action.DEFAULT_REQUEST_TIMEOUT = ACTION_TIMEOUT_S


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
    import rasa

    if rasa.__version__ != VERSION:
        sys.exit(f"需要 Rasa {VERSION}，装的是 {rasa.__version__}")
    from rasa.core.run import serve_application
    from rasa.core.utils import AvailableEndpoints
    from rasa.utils.log_utils import configure_structlog

    logging.getLogger().setLevel(logging.ERROR)
    configure_structlog(logging.ERROR)  # at lower levels Rasa writes what citizens say
    patch_actions()
    patch_server(os.environ["MINDA_SECRET"])
    serve = partial(
        serve_application, str(model), interface="127.0.0.1", port=port, credentials=str(project / "credentials.yml"),
        endpoints=AvailableEndpoints.read_endpoints(str(project / "endpoints.yml")), enable_api=False,
        response_timeout=RESPONSE_TIMEOUT_S,
    )  # fmt: skip
    serve()


if __name__ == "__main__":
    main()

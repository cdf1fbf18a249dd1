"""Trains the dialogue model offline: `python train.py PROJECT OUTPUT`. Needs the gateway's encoder (MINDA_ENCODE_URL).

PROJECT is what `minda compile-dialogue` wrote. An unchanged project is not trained again: the model's stamp is the
digest of its files and of the components.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from launcher import import_quickly

HERE = Path(__file__).parent
MODEL = "minda"
ENCODER_WITHIN_S = 180

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")


def project_digest(project: Path) -> str:
    digest = hashlib.sha256()
    files = [project / "config.yml", project / "domain.yml", *sorted((project / "data").rglob("*.yml"))]
    for path in (*files, *sorted((HERE / "components").glob("*.py"))):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def is_trained(project: Path, output: Path) -> bool:
    stamp = output / f"{MODEL}.stamp"
    return (output / f"{MODEL}.tar.gz").is_file() and stamp.is_file() and stamp.read_text() == project_digest(project)


def wait_for_encoder(url: str) -> None:
    """The gateway is started at the same time. Raises OSError where nothing listens in time."""
    address = urlsplit(url)
    end = time.monotonic() + ENCODER_WITHIN_S
    while True:
        try:
            socket.create_connection((address.hostname, address.port), timeout=2).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def main() -> None:
    project, output = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    if is_trained(project, output):
        return
    wait_for_encoder(os.environ["MINDA_ENCODE_URL"])
    sys.path.insert(0, str(HERE))
    import_quickly()
    from rasa.model_training import train

    os.chdir(project)
    fresh = f"{MODEL}-new"
    result = train(
        domain="domain.yml", config="config.yml", training_files=["data"], output=str(output), fixed_model_name=fresh,
        force_training=True,
    )  # fmt: skip
    if result.code != 0 or not result.model:
        sys.exit(result.code or 1)
    os.replace(output / f"{fresh}.tar.gz", output / f"{MODEL}.tar.gz")
    (output / f"{MODEL}.stamp").write_text(project_digest(project))


if __name__ == "__main__":
    main()

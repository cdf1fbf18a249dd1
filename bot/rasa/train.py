"""Trains the dialogue model offline: `python train.py OUTPUT_FOLDER`. Needs the gateway's encoder (MINDA_ENCODE_URL).

An unchanged project is not trained again: the model's stamp is the digest of config, domain, data and components.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).parent
MODEL = "minda"

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")


def project_digest() -> str:
    digest = hashlib.sha256()
    files = [PROJECT / "config.yml", PROJECT / "domain.yml", *sorted((PROJECT / "data").rglob("*.yml"))]
    for path in (*files, *sorted((PROJECT / "components").glob("*.py"))):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def is_trained(output: Path) -> bool:
    stamp = output / f"{MODEL}.stamp"
    return (output / f"{MODEL}.tar.gz").is_file() and stamp.is_file() and stamp.read_text() == project_digest()


def main() -> None:
    output = Path(sys.argv[1]).resolve()
    if is_trained(output):
        return
    sys.path.insert(0, str(PROJECT))
    from rasa.model_training import train

    os.chdir(PROJECT)
    fresh = f"{MODEL}-new"
    result = train(
        domain="domain.yml", config="config.yml", training_files=["data"], output=str(output), fixed_model_name=fresh,
        force_training=True,
    )  # fmt: skip
    if result.code != 0 or not result.model:
        sys.exit(result.code or 1)
    os.replace(output / f"{fresh}.tar.gz", output / f"{MODEL}.tar.gz")
    (output / f"{MODEL}.stamp").write_text(project_digest())


if __name__ == "__main__":
    main()

"""Rasa's own way to answer from the same entries, for comparison: `python rival.py FOLDER`.

LogisticRegressionClassifier for the kind of matter, ResponseSelector for the entry (intent KIND/ENTRY), on the vectors
in the folder. Reads work.json and vectors.npy (examples, then questions), writes rankings.json. Nothing here serves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EPOCHS = 40
PIPELINE = [
    {"name": "rival_vectors.StoredVectors", "scale": 20},
    {"name": "LogisticRegressionClassifier", "max_iter": 200},
    {
        "name": "ResponseSelector", "epochs": EPOCHS, "batch_size": [64, 256], "learning_rate": 0.005, "embedding_dimension": 64,
        "hidden_layers_sizes": {"text": [], "label": []}, "drop_rate": 0.0, "constrain_similarities": True,
        "model_confidence": "softmax", "evaluate_on_number_of_examples": 0, "random_seed": 1,
    },
]  # fmt: skip
_MARKUP = str.maketrans("[](){}\n", "【】（）｛｝ ")


def write_training_data(examples: list[dict[str, str]], folder: Path) -> None:
    import yaml

    grouped: dict[str, list[str]] = {}
    for example in examples:
        grouped.setdefault(f"{example['kind']}/{example['entry']}", []).append(example["text"].translate(_MARKUP))
    nlu = [{"intent": name, "examples": "".join(f"- {t}\n" for t in texts)} for name, texts in grouped.items()]
    responses = {f"utter_{name}": [{"text": name}] for name in grouped}
    data = {"version": "3.1", "nlu": nlu, "responses": responses}
    config = {"recipe": "default.v1", "language": "zh", "assistant_id": "rival", "pipeline": PIPELINE, "policies": []}
    domain = {"version": "3.1", "intents": sorted({e["kind"] for e in examples})}
    for name, content in (("nlu.yml", data), ("config.yml", config), ("domain.yml", domain)):
        (folder / name).write_text(yaml.safe_dump(content, allow_unicode=True, width=10_000), encoding="utf-8")


async def rank(model: str, questions: list[str]) -> list[dict[str, Any]]:
    """Every entry by probability of its kind × probability that the selector gives it."""
    from rasa.core.agent import Agent

    agent = Agent.load(model)
    found = []
    for question in questions:
        parsed = await agent.parse_message(question)
        kinds = {row["name"]: row["confidence"] for row in parsed["intent_ranking"]}
        rows = parsed["response_selector"]["default"]["ranking"]
        scored = [(kinds.get(kind, 0.0) * row["confidence"], entry) for row in rows for kind, entry in [row["intent_response_key"].split("/", 1)]]
        scored.sort(reverse=True)
        found.append({"entries": [entry for _, entry in scored], "score": float(scored[0][0])})
    return found


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    work = json.loads((folder / "work.json").read_text(encoding="utf-8"))
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    texts = [e["text"].translate(_MARKUP) for e in work["examples"]] + [q.translate(_MARKUP) for q in work["questions"]]
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    os.environ |= {"MINDA_STORED_VECTORS": str(folder), "RASA_CACHE_DIRECTORY": str(folder / "cache")}
    write_training_data(work["examples"], folder)
    from rasa.model_training import train_nlu
    from rasa.utils.log_utils import configure_structlog

    configure_structlog(logging.ERROR)  # at lower levels Rasa writes every question out
    model = train_nlu(str(folder / "config.yml"), str(folder / "nlu.yml"), str(folder), fixed_model_name="rival", domain=str(folder / "domain.yml"))
    if not model:
        sys.exit(1)
    rankings = asyncio.run(rank(model, texts[len(work["examples"]) :]))
    (folder / "rankings.json").write_text(json.dumps({"config": PIPELINE, "rankings": rankings}), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Fixed wording in the citizen's language; reviewed answers are not here but in knowledge."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml
from opencc import OpenCC

from index.text import to_simplified

TEXTS_FILE = Path(__file__).with_name("texts.yaml")
LOCALES = ("zh-Hans", "zh-Hant", "en")
_HAN = re.compile(r"[\u3400-\u9fff]")
_ENGLISH = re.compile(r"\b(the|a|an|is|are|can|do|does|how|what|where|my|i|to|for|get|need|please|with|of|in|and|hello|hi|marriage|register)\b", re.I)


@cache
def _texts() -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = yaml.safe_load(TEXTS_FILE.read_text(encoding="utf-8"))
    return texts


def say(key: str, locale: str = "zh-Hans", **values: str) -> str:
    return _texts()[key][locale].format(**values)


@cache
def _converter() -> OpenCC:
    return OpenCC("s2t")


def to_traditional(text: str) -> str:
    return str(_converter().convert(text))


def text_keys() -> set[str]:
    return set(_texts())


def has_han(text: str) -> bool:
    return bool(_HAN.search(text))


def detect_locale(text: str) -> str:
    """en for English words without Chinese, zh-Hant where conversion changes characters, else zh-Hans."""
    if not _HAN.search(text):
        return "en" if len(_ENGLISH.findall(text)) >= 2 else "zh-Hans"
    return "zh-Hant" if to_simplified(text) != text else "zh-Hans"

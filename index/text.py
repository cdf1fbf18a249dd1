"""normalise(): one cleaning for passages and questions alike."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from opencc import OpenCC

QUESTION_CHARS = 500
LETTER_CHARS = 2000
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_REPEATED = re.compile(r"([^\w\s])\1+|([^\d\sa-z])\2{2,}")


@cache
def _converter() -> OpenCC:
    return OpenCC("t2s")


def to_simplified(text: str) -> str:
    return str(_converter().convert(_SURROGATES.sub("", text)))


def normalise(text: str, limit: int = QUESTION_CHARS) -> str:
    """Surrogates, NUL, zero-width and tag characters out → NFKC → cut at `limit` characters → traditional to
    simplified → lower case → runs of blanks, marks and characters shortened. Idempotent."""
    text = _INVISIBLE.sub("", _SURROGATES.sub("", text[: limit * 20]))
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))[:limit]
    text = unicodedata.normalize("NFKC", to_simplified(text).lower())
    text = _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()
    return _REPEATED.sub(lambda m: (m[1] or m[2] * 2), text)[:limit].strip()

"""Which wordings of a question are searched: the whole, the asking clause of a long story, the topic carried over."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONG_CHARS = 45
FOLLOW_UP_CHARS = 20
_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]?")
_ASKS = re.compile(r"[?？]|吗|呢|么|怎么|怎样|如何|多少|多久|多长|多大|要带|几|哪|能不能|可不可以|可以|什么|是否|咋|谁|要不要|请问|咨询|求|麻烦")
_FOLLOW_UP = re.compile(
    r"^(那|那么|那要|还有|然后|如果|要是|假如|万一|另外|它|这个|这|上面)|(的)?呢[？?]?$|^(要|得|需要|大概|大概要|一共|总共)?(多少钱|几天|多久|在哪|去哪|带什么|"
    r"要什么|什么材料|怎么办|咋办|要钱吗|收费吗|免费吗|为什么|有依据吗|依据是什么|网上能办吗|能代办吗|周末|可以吗|行吗|真的吗)"
)


def search_variants(text: str) -> list[str]:
    """The normalised question first; for a long story also its last asking clause."""
    if len(text) <= LONG_CHARS:
        return [text]
    sentences = [s.strip() for s in _SENTENCE.findall(text) if len(s.strip()) >= 4]
    asking = [s for s in sentences if _ASKS.search(s)]
    found = [text]
    for part in (asking[-1:] or sentences[-1:]):
        if part != text:
            found.append(part[-120:])
    if len(found) == 1 or len(found[-1]) > 80:
        clauses = [c for c in re.split(r"[，,。！？!?；;\s]+", text) if len(c) >= 4]
        if len(clauses) > 2:
            found.append("，".join(clauses[-2:]))
    return list(dict.fromkeys(found))[:3]


def is_follow_up(text: str) -> bool:
    """Whether the words alone leave the topic open: 那要多少钱, 离婚的呢."""
    return may_follow_up(text) and bool(_FOLLOW_UP.search(text))


def may_follow_up(text: str) -> bool:
    """Whether the words are so few that the topic may lie in what was said before: 我们一个是香港的."""
    return len(text) <= FOLLOW_UP_CHARS


def follow_up_variants(text: str, topics: Sequence[str]) -> tuple[list[str], frozenset[int]]:
    """The text with each topic of the conversation, and as written where it may stand alone; which ones carry a topic."""
    alone = [] if is_follow_up(text) else [text]
    carried = [f"{topic} {text}" for topic in topics]
    return [*alone, *carried], frozenset(range(len(alone), len(alone) + len(carried)))


def split_parts(text: str) -> list[str]:
    """Questions that stand side by side, each able to stand alone; a single one comes back whole."""
    if len(text) > 120:
        return [text]
    parts = [p.strip(" ，,。") for p in re.split(r"[？?]+|(?:，|。|；)?(?:还有|另外|再问一下|顺便问一下|第二个问题)[，,：:]?", text)]
    parts = [p for p in parts if len(p) >= 5]
    if len(parts) < 2 or len(parts) > 3 or not all(_ASKS.search(p) for p in parts):
        return [text]
    return parts

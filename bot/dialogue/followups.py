"""Questions that lean on the one before: 不对，我问的是民非 · 那离婚呢. Rewritten so that they stand alone."""

from __future__ import annotations

import re
from functools import lru_cache

from index.text import normalise
from knowledge.taxonomy import Taxonomy

from .reading import is_question

_CORRECTS = re.compile(
    r"^(?:不对|不是(?:这个|这样)?|错了|搞错了|弄错了|理解错了|你(?:理解|弄|搞|答)错了|答非所问)[，,。!！~\s]*(?:了|啊|呀)?[，,\s]*"
    r"(?:我(?:是)?(?:要|想)?(?:问|说|指|讲)的?(?:是)?|我要的是|是|应该是)(?P<what>.{2,})$"
    r"|^我(?:刚才)?(?:要|想)?(?:问|说|指|讲)的是(?P<said>.{2,})$"
)
_OTHER_TOPIC = re.compile(
    r"^(?:那|那么|那要是|那如果|如果是|要是|换成|换|还有|那换成)?(?P<what>.{2,12}?)(?:的话)?(?:呢|又怎么样|怎么样)[?？]?$"
)
_GOES_BACK = re.compile(
    r"^(?:好的?|嗯|那|我?还是|我?再|我们?)?(?:(?:回到|说回|问回|回头说|接着说|接着问|再说|再问|继续说)(?:一?下)?(?:我?(?:刚才|刚刚))?"
    r"|(?=前面|之前|先前|一开始|最开始|上一个))(?:我?(?:刚才|刚刚|前面|之前|先前|一开始|最开始|最早|上一个))(?:我?(?:问|说|讲|聊)过?的?)?"
    r"(?:那|的|这)?(?:个|件|种)?(?:事情?|问题|话题|情况)?(?:吧|了|啊)?(?:$|[，,。\s]+|(?=要|还|能|怎|多|去|需|是|可|有))(?P<rest>.*)$"
)
_TAIL = re.compile(r"(?:[，,]?不是.*|的事|这个|[，,。!！?？吧啊呀哦]+)$")
STANDS_ALONE_CHARS = 10
SHORT_CHARS = 14
CARRIED = frozenset({"materials", "time_limit", "fee", "office", "amount", "basis", "online"})
"""aspects that say nothing without a matter"""


def standing_alone(clean: str, previous: str | None, taxonomy: Taxonomy) -> str | None:
    """The normalised question that a correction or a change of topic means; None where the text is neither."""
    found = _CORRECTS.match(clean)
    if found:
        what = _TAIL.sub("", (found["what"] or found["said"]).strip())
        if is_question(what) or len(what) >= STANDS_ALONE_CHARS or not previous:
            return what or None
        return _with_topic(normalise(previous), what, taxonomy)
    other = _OTHER_TOPIC.match(clean)
    if other and previous and _topic_in(other["what"], taxonomy):
        return _with_topic(normalise(previous), other["what"], taxonomy)
    return None


def going_back(clean: str) -> str | None:
    """What is asked about the topic before (说回前面那个，要带什么 → 要带什么), empty where it is only named; None otherwise."""
    found = _GOES_BACK.match(clean)
    return found["rest"].strip(" ，,。.!！?？") if found else None


def with_matter(clean: str, matter: str | None, taxonomy: Taxonomy) -> str | None:
    """A short question about cost, time, papers … that names no matter, about the one in hand; None where it names one."""
    short = matter and len(clean) <= SHORT_CHARS and is_question(clean) and _topic_in(clean, taxonomy) is None
    asks_aspect = any(w.lower() in clean for a in taxonomy.aspects if a.id in CARRIED for w in a.words)
    return f"{normalise(matter)} {clean}" if short and matter and asks_aspect else None


def _with_topic(previous: str, topic: str, taxonomy: Taxonomy) -> str | None:
    """The previous question about another topic."""
    old = _topic_in(previous, taxonomy)
    if old is None:
        return f"{topic} {previous}"
    return previous.replace(old, topic, 1) if old not in topic else f"{topic} {previous}"


def _topic_in(text: str, taxonomy: Taxonomy) -> str | None:
    """The word that names the matter: the first one in the text, as long as it goes."""
    found = [(text.find(w), -len(w), w) for w in _topic_words(taxonomy) if w in text]
    return min(found)[2] if found else None


@lru_cache(maxsize=4)
def _topic_words(taxonomy: Taxonomy) -> tuple[str, ...]:
    words = {w.lower() for area in taxonomy.areas for w in area.words}
    words |= {w.lower() for service in taxonomy.services for w in service.words}
    words |= {part for s in taxonomy.services for part in re.split("[、（）]", s.name) if part}
    words |= {a.name for a in taxonomy.areas}
    return tuple(w for w in words if len(w) >= 2)

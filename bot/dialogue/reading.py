"""What a citizen's words answer in a guided service: by number, label or the words that the content lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache

from index.text import normalise
from knowledge.content import ScenarioQuestion

_CLAUSES = re.compile(r"[，,。.；;！!\n]+|(?<=[?？])|\s(?=\S{4})")
_ASKS = re.compile(
    r"[?？]|吗|(?<!没)(?<!没有)呢$|怎么|怎样|如何|多少|多久|多长|多大|几天|哪|能不能|可不可以|是否|什么|咋|为啥|为什么|请问|谁|要不要|行不行|可以.{1,}不|"
    r"\b(?:what|how|where|when|why|which|who|can i|do i)\b"
)
_NUMBER = re.compile(r"^(?:我?选|答案是?|第)?\s*([1-9一二三四五六七八九])\s*(?:个|种|项|条|号|\.|、)?(?:吧|的)?$")
_PARTICLES = re.compile(r"^(?:嗯+|哦|啊|那|就|应该|我们?|他们?|她们?|两个?人?|都)+|(?:的|了|啊|呀|哦|呢|吧|嘛|哈|噢|着)+$")
_YES = re.compile(r"^(?:是|对|嗯|好|有|行|可以|没错|当然|确实|yes|yeah|ok)(?:的|了|啊|呀|哦|吧|呢)*$")
_NO = re.compile(r"^(?:不|没|否|无|还没|未|不是|没有|不对|不行|no|nope)(?:的|了|有|啊|呀|哦|吧|呢|过)*$")
_NEGATION = re.compile(r"(?:不|没|没有|不是|未|非|别)[去来]?$")
GENERIC = frozenset("是有没不够对的了到满还无都过超")
"""words of these characters alone say something only about the question that was asked"""
DIGITS = "一二三四五六七八九"
_FILLERS = "我你您他她它们俩两个人家里这那就也真已经现在目前暂时去来过办早刚好呢啊呀吧嘛哦嗯哈，。"
_REACHED = re.compile(r"满(\d+)周?岁")
_AGE = re.compile(rf"(?<![\d{DIGITS}十])(\d{{2}}|[{DIGITS}]?十[{DIGITS}]?)(?![\d{DIGITS}十年月日天个万千百块元级])")
SHORT_CHARS = 10
LABEL_CHARS = 3
"""a label of so many characters says, alone, which question it answers"""
SHARED_CHARS = 4
Hit = tuple[str | None, tuple[int, int]]
"""choice id and where in the text its word stands"""
NOWHERE = (0, 0)


def is_question(text: str) -> bool:
    return bool(_ASKS.search(text))


def is_number(text: str) -> bool:
    """Whether the text names an option by its number, there or not."""
    return bool(_NUMBER.match(text.strip(" 。.")))


def read_number(text: str, count: int) -> int | None:
    """0-based number of the option that「2」「第二个」「选2」names among `count`."""
    found = _NUMBER.match(text.strip(" 。."))
    if not found:
        return None
    number = int(found[1]) if found[1].isdigit() else DIGITS.index(found[1]) + 1
    return number - 1 if number <= count else None


def read_text(
    text: str, asked: ScenarioQuestion | None, others: Sequence[ScenarioQuestion],
    skipped: Callable[[dict[str, str]], set[str]],
) -> dict[str, str]:  # fmt: skip
    """question → choice for everything that the statements of the text say; questions in it are left alone."""
    said = text.strip(" 。.!！") if asked and _is_label(asked, text.strip(" 。.!！")) else "，".join(statements(text))
    found: dict[str, str] = {}
    if asked is not None:
        choice, span = _read_asked(asked, said)
        if choice:
            found[asked.id] = choice
            said = said[: span[0]] + "\0" * (span[1] - span[0]) + said[span[1] :]
    off = skipped(found)
    hits = {q.id: hit for q in others if q.id not in off and (hit := _match(q, said, distinctive=True))[0]}
    spans = [span for _, span in hits.values()]
    # a word that answers two questions answers neither
    found |= {q: choice for q, (choice, span) in hits.items() if choice and spans.count(span) == 1}
    return found


def read_choice(question: ScenarioQuestion, text: str) -> str | None:
    return _match(question, text, distinctive=True)[0]


def choice_said(question: ScenarioQuestion, text: str) -> str | None:
    """The one choice that the text is a word of and nothing else; words like 没有 are no one's."""
    forms = {text, _PARTICLES.sub("", text)}
    said = [choice for choice, words in _words(question) if any(w in forms and not _is_generic(w) for w in words)]
    return said[0] if len(said) == 1 else None


def statements(text: str) -> list[str]:
    return [c.strip() for c in _CLAUSES.split(text) if c and c.strip() and not is_question(c)]


def questions_in(text: str) -> str | None:
    """The asking clauses of a text that also says something, or None."""
    clauses = [c.strip() for c in _CLAUSES.split(text) if c and c.strip()]
    asking = [c for c in clauses if is_question(c)]
    return "，".join(asking) if asking and len(asking) < len(clauses) else None


def _read_asked(question: ScenarioQuestion, said: str) -> Hit:
    """By a word, by number, by a plain yes or no; first of the whole, then of the first clause that says it."""
    number = read_number(said, len(question.choices))
    choice, span = _match(question, said, distinctive=False)
    if choice and (number is None or said[0] not in "第选"):
        return choice, span
    if number is not None:
        return question.choices[number].id, (0, len(said))
    if choice := _old_enough(question, said):
        return choice, (0, len(said))
    at = 0
    for clause in said.split("，"):
        choice, span = _match(question, clause, distinctive=False)
        if choice := choice or _yes_or_no(question, clause):
            return choice, (at + span[0], at + (span[1] or len(clause)))
        at += len(clause) + 1
    return None, NOWHERE


def _is_label(question: ScenarioQuestion, text: str) -> bool:
    return any(text == word for _, words in _words(question) for word in words)


def _yes_or_no(question: ScenarioQuestion, clause: str) -> str | None:
    """是的, 没有: only for a question with two choices, one of which plainly says yes."""
    ids = [c.id for c in question.choices]
    if "yes" not in ids or "no" not in ids:
        return None
    bare = clause.strip(" ~。.!！")
    if _YES.match(bare):
        return "yes"
    yes = next(c for c in question.choices if c.id == "yes")
    plainly = yes.label[0] in "是有" or not re.search(r"[没无不]", yes.label)
    if plainly and (_NO.match(bare) or (_asks_one_thing(question) and _denies(clause, dict(_words(question))["yes"]))):
        return "no"
    return None


def _denies(clause: str, words: Sequence[str]) -> bool:
    """不是突然的: one of the words, and a negation before it each time."""
    found = [_is_negated(clause, at, at + len(w)) for w in words if not _is_generic(w) for at in _positions(clause, w)]
    return bool(found) and all(found)


def _old_enough(question: ScenarioQuestion, said: str) -> str | None:
    """我28她26: for a question whether somebody, or each of several, has reached the ages that it names. Of several
    ages for one person none is taken: one of them may be the child's."""
    reached = [c for c in question.choices if not re.search("[没不]", c.label)]
    if len(question.choices) != 2 or len(reached) != 1 or "不满" in question.ask:
        return None
    wanted = [int(n) for n in _REACHED.findall(question.ask + reached[0].label)]
    ages = [_number_of(n) for n in _AGE.findall(said)]
    if not wanted or not ages:
        return None
    if min(ages) >= max(wanted):
        return reached[0].id
    below = next(c.id for c in question.choices if c is not reached[0])
    return below if (min(ages) if len(wanted) > 1 else max(ages)) < min(wanted) else None


def _number_of(digits: str) -> int:
    """12, 十二, 三十五"""
    if digits.isdigit():
        return int(digits)
    tens, _, ones = digits.partition("十")
    return 10 * (DIGITS.index(tens) + 1 if tens else 1) + (DIGITS.index(ones) + 1 if ones else 0)


def _match(question: ScenarioQuestion, clause: str, distinctive: bool) -> Hit:
    """The one choice whose label or words stand in the clause, and where; none where two do."""
    bare = _PARTICLES.sub("", clause)
    hits: list[tuple[int, int, str]] = []
    for choice, words in _words(question):
        for word in words:
            whole_label = word == words[0] == clause and len(word) >= LABEL_CHARS
            if whole_label or (word in (clause, bare) and not (distinctive and _is_generic(word))):
                return choice, (0, len(clause))
            if _is_generic(word) and (distinctive or len(word) == 1 or not _is_about(question, clause)):
                continue
            hits += [(at, at + len(word), choice) for at in _positions(clause, word)]
    kept = [h for h in hits if not any(o[0] <= h[0] and h[1] <= o[1] and o[1] - o[0] > h[1] - h[0] for o in hits)]
    kept = [h for h in kept if not _is_negated(clause, h[0], h[1])]
    if len({h[2] for h in kept}) > 1 and (nearest := _nearest_label(question, clause)):
        kept = [h for h in kept if h[2] == nearest]
    if len({h[2] for h in kept}) != 1:
        return None, NOWHERE
    best = max(kept, key=lambda h: h[1] - h[0])
    return best[2], (best[0], best[1])


def _nearest_label(question: ScenarioQuestion, clause: str) -> str | None:
    """The choice whose label shares the longest run with the clause: 解除收养 is 解除收养关系, not 收养."""
    shared = {
        choice: SequenceMatcher(None, clause, words[0], autojunk=False).find_longest_match().size for choice, words in _words(question)
    }
    longest = max(shared.values())
    nearest = [choice for choice, size in shared.items() if size == longest]
    return nearest[0] if longest >= SHARED_CHARS and len(nearest) == 1 else None


def _positions(clause: str, word: str) -> Iterable[int]:
    at = clause.find(word)
    while at >= 0:
        yield at
        at = clause.find(word, at + 1)


def _is_negated(clause: str, start: int, end: int) -> bool:
    return clause[start:end][:1] not in "不没未非无别" and bool(_NEGATION.search(clause[max(0, start - 3) : start]))


def _is_about(question: ScenarioQuestion, clause: str) -> bool:
    """没有孩子 answers whether there are children, 没有重名 something else: short, and no word that is not the question's."""
    known = {*GENERIC, *_FILLERS}
    if _asks_one_thing(question):
        known.update(question.ask, *(word for _, words in _words(question) for word in words))
    return len(clause) <= SHORT_CHARS and set(clause) <= known


def _asks_one_thing(question: ScenarioQuestion) -> bool:
    """Else whoever denies one may still be the other."""
    return "或者" not in question.ask


def _is_generic(word: str) -> bool:
    return set(word) <= GENERIC


@cache
def _words(question: ScenarioQuestion) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for choice in question.choices:
        label = normalise(choice.label)
        words = [label, re.sub(r"\(.*?\)", "", label), *map(normalise, choice.words)]
        found.append((choice.id, tuple(dict.fromkeys(w for w in words if w))))
    return tuple(found)


def read_label(text: str, labels: Mapping[str, str]) -> str | None:
    """The one choice whose label the text is, contains or is a part of (choice id → label)."""
    plain = text.strip(" .!。！")
    same = [c for c, label in labels.items() if normalise(label) == plain]
    near = [c for c, label in labels.items() if len(plain) >= 3 and (plain in normalise(label) or normalise(label) in plain)]
    return same[0] if same else (near[0] if len(near) == 1 else None)

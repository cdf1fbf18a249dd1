"""What is checked before content goes to review: one function a rule, each gives Findings."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from .city import City
from .conditions import literals_in, names_in
from .content import DIRECT_ANSWER_MAX_CHARS, Entry, Guide, Item, Scenario, SourceRef
from .law_texts import NUMBER_WITH_UNIT, LawText
from .laws import LawRegister, parse_articles
from .loading import Content
from .scenarios import walk
from .taxonomy import Taxonomy
from .yaml_files import load_yaml_list

BANNED_FILE = Path(__file__).with_name("banned.yaml")
MIN_QUESTIONS = 14
MIN_NEGATIVE_EXAMPLES = 2
MIN_ENTRIES_AN_AREA = 12
MIN_ENTRIES = {"A01": 25, "A03": 25, "A04": 25, "A06": 25, "A08": 25, "A14": 25, "A15": 25}
MIN_ELSEWHERE_QUESTIONS = 600
NATIONAL_HOTLINES = {
    "110", "119", "120", "12345", "12356", "12348", "12338", "12355", "12333", "12393", "12385", "12367", "12123",
    "12315", "12366", "12329", "12306", "12388", "12389", "12349", "96110", "12377", "12328", "12369", "12351",
    "12305", "12300", "12363", "12378", "12381", "12320", "12319", "12325", "12316", "12301", "122", "12337", "12361",
    "11183", "12110", "12309", "12368", "12313", "95598", "10086", "12318",
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    rule: str
    item: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"[{'错误' if self.severity == 'error' else '提醒'}] {self.rule} {self.item}：{self.message}"


class BannedStatement(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    pattern: str
    areas: tuple[str, ...]
    unless: str


@dataclass
class CheckContext:
    content: Content
    taxonomy: Taxonomy
    laws: LawRegister
    city: City
    on: date
    texts: Mapping[str, LawText] = field(default_factory=dict)
    whole: bool = True


def check_all(context: CheckContext) -> list[Finding]:
    findings: list[Finding] = []
    for item in context.content.items():
        findings += check_sources(item, context)
        findings += check_codes(item, context)
        findings += check_dates(item, context)
    banned = load_yaml_list(BANNED_FILE, BannedStatement)
    for entry in context.content.entries.values():
        findings += check_entry_shape(entry)
        findings += check_numbers(entry, context)
        findings += check_banned(entry, banned)
        findings += check_contacts(entry)
    for guide in context.content.guides.values():
        findings += check_guide_materials(guide)
    for scenario in context.content.scenarios.values():
        findings += check_scenario(scenario, context)
    findings += check_duplicate_questions(context.content)
    if context.whole:
        findings += check_coverage(context)
    return findings


def check_sources(item: Item, context: CheckContext) -> Iterator[Finding]:
    for source in _sources_of(item):
        if source.law not in context.laws:
            yield Finding("依据", item.id, f"法规登记册里没有 {source.law}")
            continue
        law = context.laws[source.law]
        if not law.in_force(context.on):
            yield Finding("依据", item.id, f"《{law.title}》在 {context.on} 不是有效的依据")
        if source.article and law.articles:
            numbers = parse_articles(source.article)
            if not numbers:
                yield Finding("依据", item.id, f"条号看不懂：{source.article}")
            for number in numbers:
                if not 1 <= number <= law.articles:
                    yield Finding("依据", item.id, f"《{law.title}》没有第 {number} 条")
        elif law.articles and not source.article:
            yield Finding("依据", item.id, f"《{law.title}》要写到条")


def _sources_of(item: Item) -> list[SourceRef]:
    if isinstance(item, Entry):
        return list(item.sources)
    if isinstance(item, Guide):
        return [*item.basis, *item.remedies_basis, *([item.fee.basis] if item.fee.basis else [])]
    return [s for outcome in item.outcomes for s in outcome.sources]


def check_codes(item: Item, context: CheckContext) -> Iterator[Finding]:
    content, taxonomy = context.content, context.taxonomy
    keys: list[str] = []
    if isinstance(item, Entry):
        keys = list(item.parameters)
        for aspect in item.aspects:
            if aspect not in taxonomy.aspect_by_id:
                yield Finding("编码", item.id, f"没有这个咨询要点：{aspect}")
        for other in (*item.related, *(n.entry for n in item.not_questions if n.entry)):
            if other not in content.entries:
                yield Finding("编码", item.id, f"没有这个条目：{other}", "warning")
    elif isinstance(item, Guide):
        keys = [*item.parameters, *item.office.parameters]
        if item.time_limit.promised:
            keys.append(item.time_limit.promised)
    else:
        keys = [k for outcome in item.outcomes for k in outcome.parameters]
    for key in keys:
        if key not in context.city.definition_by_key:
            yield Finding("编码", item.id, f"没有这个本地参数：{key}")


def check_dates(item: Item, context: CheckContext) -> Iterator[Finding]:
    if isinstance(item, Entry | Guide) and item.review_by is not None and item.review_by < context.on:
        yield Finding("复审", item.id, f"复审日期 {item.review_by} 已过", "warning")
    if isinstance(item, Entry) and item.kind == "answer" and item.review_by is None:
        yield Finding("复审", item.id, "没有复审日期")


def check_entry_shape(entry: Entry) -> Iterator[Finding]:
    if len(entry.answer) > DIRECT_ANSWER_MAX_CHARS:
        yield Finding("篇幅", entry.id, f"直接答复 {len(entry.answer)} 字，超过 {DIRECT_ANSWER_MAX_CHARS} 字")
    if len(entry.questions) < MIN_QUESTIONS:
        yield Finding("例句", entry.id, f"只有 {len(entry.questions)} 个例句，至少 {MIN_QUESTIONS} 个")
    if entry.kind == "answer" and len(entry.not_questions) < MIN_NEGATIVE_EXAMPLES:
        yield Finding("例句", entry.id, f"反例少于 {MIN_NEGATIVE_EXAMPLES} 个")


def _texts(entry: Entry) -> list[str]:
    return [entry.answer, *entry.details, *entry.next_steps]


def check_numbers(entry: Entry, context: CheckContext) -> Iterator[Finding]:
    """Every number with a unit stands in a cited article; money too, where the law's text is at hand."""
    if entry.kind != "answer":
        return
    cited = [(context.texts.get(s.law), parse_articles(s.article or "")) for s in entry.sources]
    if not context.texts or any(text is None for text, _ in cited):
        return
    for match in NUMBER_WITH_UNIT.finditer("\n".join(_texts(entry))):
        number, unit = match.groups()
        if (unit in {"月", "年"} and len(number) == 4) or (unit in {"日", "月"} and _is_date(match)):
            continue
        candidates = {number, str(int(float(number)) * 10000) if unit == "万元" else number}
        if not any(text and any(text.states(n, articles) for n in candidates) for text, articles in cited):
            yield Finding("数字", entry.id, f"“{match.group(0)}”在所引条文里找不到", "warning")


def _is_date(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 3) : match.start()]
    after = match.string[match.end() : match.end() + 2]
    return before.endswith(("年", "月")) or bool(re.match(r"\d", after))


def check_banned(entry: Entry, banned: list[BannedStatement]) -> Iterator[Finding]:
    for text in _texts(entry):
        for sentence in re.split(r"[。！？；\n]", text):
            for rule in banned:
                if entry.area in rule.areas and re.search(rule.pattern, sentence) and not re.search(rule.unless, sentence):
                    yield Finding("旧说法", entry.id, f"{rule.id}：{sentence.strip()}")


def check_contacts(entry: Entry) -> Iterator[Finding]:
    for text in (*_texts(entry), entry.hotline or ""):
        for number in re.findall(r"(?<!\d)(?:1\d{2}|1[12]\d{3}|9\d{4,5}|0\d{2,3}-?\d{7,8}|1[3-9]\d{9})(?!\d|年|元|日|人|万|至|个|户)", text):
            if number not in NATIONAL_HOTLINES and not re.search(rf"{number}(条|号令|号|元|人|户|天|平)", text):
                yield Finding("电话", entry.id, f"不是全国统一的号码：{number}")
        if re.search(r"https?://|www\.", text):
            yield Finding("网址", entry.id, "答复里不写网址，用本地参数")


def check_guide_materials(guide: Guide) -> Iterator[Finding]:
    counts = Counter(m.id for m in guide.materials)
    for name, count in counts.items():
        if count > 1:
            yield Finding("材料", guide.id, f"材料编号重复：{name}")


def check_scenario(scenario: Scenario, context: CheckContext) -> Iterator[Finding]:
    questions = {q.id: {c.id for c in q.choices} for q in scenario.questions}
    expressions = [q.when for q in scenario.questions if q.when] + [o.when for o in scenario.outcomes]
    faults = False
    for expression in expressions:
        try:
            unknown = names_in(expression) - set(questions)
            pairs = literals_in(expression)
        except ValueError as error:
            yield Finding("场景", scenario.id, str(error))
            faults = True
            continue
        for name in unknown:
            yield Finding("场景", scenario.id, f"条件里的问题不存在：{name}")
            faults = True
        for name, value in pairs:
            if name in questions and value not in questions[name]:
                yield Finding("场景", scenario.id, f"{name} 没有选项 {value}（{expression}）")
                faults = True
    for outcome in scenario.outcomes:
        for reference in outcome.materials:
            guide_id, _, material = reference.partition(":")
            guide = context.content.guides.get(guide_id)
            if guide is None or material not in {m.id for m in guide.materials}:
                yield Finding("场景", scenario.id, f"{outcome.id} 的材料不在指南里：{reference}")
        if outcome.guide and outcome.guide not in context.content.guides:
            yield Finding("场景", scenario.id, f"{outcome.id} 的指南不存在：{outcome.guide}")
    if not faults:
        yield from _check_walk(scenario)


def _check_walk(scenario: Scenario) -> Iterator[Finding]:
    seen: set[str] = set()
    try:
        for number, (_, step) in enumerate(walk(scenario)):
            seen.add(step.id)
            if number > 100_000:
                yield Finding("场景", scenario.id, "问题太多，组合超过十万种")
                return
    except ValueError as error:
        yield Finding("场景", scenario.id, str(error))
        return
    for node in (*(q.id for q in scenario.questions), *(o.id for o in scenario.outcomes)):
        if node not in seen:
            yield Finding("场景", scenario.id, f"走不到：{node}")


_NOISE = re.compile(r"[\s，。？！、；：,.?!;:~…“”\"'（）()《》]+")


def check_duplicate_questions(content: Content) -> Iterator[Finding]:
    owners: dict[str, set[str]] = defaultdict(set)
    for entry in content.entries.values():
        counts = Counter(_NOISE.sub("", q) or q for q in entry.questions)
        for question, count in counts.items():
            owners[question].add(entry.id)
            if count > 1:
                yield Finding("例句", entry.id, f"例句重复：{question}")
    for question, ids in owners.items():
        if len(ids) > 1:
            yield Finding("例句", "、".join(sorted(ids)), f"同一个例句属于几个条目：{question}")


def check_coverage(context: CheckContext) -> Iterator[Finding]:
    """What is still to be written: a reminder, since a city may go live area by area."""
    content = context.content
    own = [e for e in content.entries.values() if e.kind == "answer" or (e.kind == "redirect" and e.area)]
    by_area = Counter(e.area for e in own)
    for area in context.taxonomy.areas:
        floor = MIN_ENTRIES.get(area.code, MIN_ENTRIES_AN_AREA)
        if by_area[area.code] < floor:
            yield Finding("覆盖", area.code, f"{area.name}只有 {by_area[area.code]} 条，至少 {floor} 条")
    for service in context.taxonomy.services:
        if not content.guides_of(service.code):
            yield Finding("覆盖", service.code, f"{service.name}没有办事指南")
    for scenario in context.taxonomy.scenarios:
        if scenario.id not in content.scenarios:
            yield Finding("覆盖", scenario.id, f"{scenario.name}没有场景式服务")
    elsewhere = sum(len(e.questions) for e in content.entries.values() if e.kind in ("redirect", "decline"))
    if elsewhere < MIN_ELSEWHERE_QUESTIONS:
        yield Finding("覆盖", "不归民政", f"只有 {elsewhere} 个例句，至少 {MIN_ELSEWHERE_QUESTIONS} 个")

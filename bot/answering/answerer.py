"""Answerer: one text in, its Answers out, by the listed steps; the same for every channel."""

from __future__ import annotations

import base64
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from index.text import normalise
from knowledge.city import City
from knowledge.content import Entry
from knowledge.laws import LawRegister
from knowledge.taxonomy import Taxonomy

from ..answer import Answer, Question, Verdict, make_reply
from ..dialogue.guided import GuidedServices
from ..dialogue.reading import is_question
from ..encoding import EncodingService
from ..memory import Memory
from ..texts import detect_locale, say
from .compose import Composer, person_choices
from .draft import Candidate, Draft, Step
from .guard import IsLive, find_objection
from .judge import Judge
from .mask import mask_personal_data
from .pipeline import run_steps
from .retrieve import Engine, Retrieve
from .screen import Screen
from .variants import follow_up_variants, may_follow_up, search_variants, split_parts

CACHE_SIZE = 4096
AFTER_HELP = (Verdict.ANSWER_DIRECT, Verdict.REDIRECT_DEPARTMENT)


class Answerer:
    """Built anew for every generation of the knowledge; the cache dies with it."""

    def __init__(
        self,
        engine: Engine,
        encoding: EncodingService,
        laws: LawRegister,
        city: City,
        taxonomy: Taxonomy,
        is_live: IsLive,
    ) -> None:
        self.engine = engine
        self._encoding = encoding
        self._laws = laws
        self.taxonomy = taxonomy
        self.guided = GuidedServices(engine.snapshot, laws, city, taxonomy, is_live)
        self._is_live = is_live
        self._composer = Composer(engine.snapshot, laws, city)
        self._screen = Screen(self._composer, _safety_texts(engine), engine.reviewed)
        self._steps: Sequence[Step] = (
            self._screen,
            Retrieve(engine),
            Judge(engine, self._composer, laws, is_live),
        )
        self._cache: OrderedDict[tuple[Any, ...], list[Answer]] = OrderedDict()

    async def answer(
        self, text: str, on: date, memory: Memory | None = None, locale: str | None = None
    ) -> list[Answer]:
        """One Answer a part of the question, in order; at least one."""
        locale = locale or detect_locale(text)
        masked, found = mask_personal_data(text)
        clean = normalise(masked)
        topics, said = self._topics(clean, memory)
        key = (clean, on, locale, topics, said)
        cached = self._cache.get(key)
        if cached is not None and all(self._still_live(a) for a in cached):
            return [_renewed(a) for a in cached]
        answers = await self._answer_parts(masked, clean, on, locale, topics, said)
        if found:
            answers = [replace(a, trace={**a.trace, "masked": found}) for a in answers]
        self._cache[key] = answers
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return answers

    async def _answer_parts(
        self, text: str, clean: str, on: date, locale: str, topics: tuple[str, ...], said: str | None
    ) -> list[Answer]:
        parts = split_parts(clean)
        if len(parts) > 1 and self._screen_only(text, clean, on, locale) is None:
            answers = [a for part in parts for a in await self._run(text, part, on, locale, topics, said)]
            if _all_answered(answers):
                return answers
        return await self._run(text, clean, on, locale, topics, said)

    def _topics(self, clean: str, memory: Memory | None) -> tuple[tuple[str, ...], str | None]:
        """What a text without a topic may be about, and the entry that was shown last."""
        if memory is None or not may_follow_up(clean):
            return (), None
        return tuple(normalise(t) for t in memory.topics(self.engine.snapshot, self.taxonomy)), memory.topic_entry

    async def _run(
        self, text: str, clean: str, on: date, locale: str, topics: tuple[str, ...] = (), said: str | None = None
    ) -> list[Answer]:
        """One Answer; two where urgent help comes first and the question about it has an answer that is sure."""
        draft = Draft(Question(text, on, locale=locale), clean)
        if topics:
            draft.variants, draft.carried = follow_up_variants(clean, topics)
            draft.said = said
        else:
            draft.variants = search_variants(clean)
        with draft.timed("encode"):
            draft.vectors = await self._encoding.encode(draft.variants)
        answer = run_steps(self._steps, draft)
        if not draft.trace.get("crisis") or not is_question(clean):
            return [answer]
        asked = run_steps(self._steps[1:], draft)
        return [answer, asked] if asked.verdict in AFTER_HELP else [answer]

    def _screen_only(self, text: str, clean: str, on: date, locale: str) -> Answer | None:
        return self._screen(Draft(Question(text, on, locale=locale), clean))

    def _still_live(self, answer: Answer) -> bool:
        return all(self._is_live(revision) for revision in answer.reply.revisions)

    async def vector_of(self, text: str) -> str:
        """Base64 of the normalised text's float32 vector: Rasa's classifier takes the one that retrieval has."""
        return base64.b64encode((await self._encoding.encode([text]))[0].astype("<f4").tobytes()).decode()

    def answer_entry(self, entry_id: str, on: date, locale: str) -> Answer | None:
        """The entry that the citizen chose, where it may still be shown."""
        entry = self.engine.snapshot.entries.get(entry_id)
        if entry is None:
            return None
        revision = self.engine.snapshot.revision_of(entry_id)
        if find_objection(entry, revision, on, self._laws, self._is_live, entry.answer):
            return None
        draft = Draft(Question(entry.title, on, locale=locale), entry.title)
        return self._composer.compose(draft, Candidate(entry, revision, 1.0), "direct")


def fixed(verdict: Verdict, key: str, on: date, locale: str, **values: str) -> Answer:
    """An Answer of fixed wording, with the choice of a person where the verdict offers one."""
    offers = verdict in (Verdict.HANDOFF_ASKED, Verdict.FAILED_ERROR, Verdict.HANDOFF_UNSURE)
    return Answer(
        make_reply(
            verdict, say(key, locale, **values), on, choices=person_choices(locale) if offers else None
        ),
        {"decided_by": "fixed", "text_key": key},
    )


def _safety_texts(engine: Engine) -> dict[str, tuple[Entry, str]]:
    found: dict[str, tuple[Entry, str]] = {}
    for entry in engine.snapshot.entries.values():
        if entry.kind == "crisis" and entry.crisis and entry.crisis not in found:
            found[entry.crisis] = (entry, engine.snapshot.revision_of(entry.id))
    return found


def _all_answered(answers: Sequence[Answer]) -> bool:
    """Each part has an answer of its own."""
    ids = [a.reply.entry_id for a in answers]
    return all(a.reply.kind in ("answer", "redirect") for a in answers) and None not in ids and len(set(ids)) == len(ids)


def _renewed(answer: Answer) -> Answer:
    return replace(answer, reply=answer.reply.model_copy(update={"id": uuid.uuid4().hex}))

"""Assistant.reply: one message of a conversation in, its replies out. The one use case of the product."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import structlog

from index.text import normalise

from .answer import Answer, Choice, Verdict
from .answering.answerer import Answerer, fixed
from .answering.compose import NO, NONE_OF_THESE, PERSON
from .answering.courtesy import COURTESY_CHARS, courtesy_answer
from .answering.screen import find_crisis
from .dialogue.client import DialogueResult, RasaClient, guard_slash
from .dialogue.compiler import INFORM, LEAVES, MOVES, in_rasa, slot_name
from .dialogue.followups import going_back, standing_alone, with_matter
from .dialogue.form import FormState, topic_of
from .dialogue.form_talk import CONTROLS, LEAVING, FormMove, FormTalk
from .dialogue.guided import ANSWER, CONTROL, REOPEN, SCENARIO, GuidedServices, find_code
from .dialogue.manners import offer_person, unlike_the_last
from .dialogue.reading import DIGITS, is_number, is_question, read_number
from .dialogue.single_turn import find_intent, matter_of, wants_guidance
from .memory import MISSED, MISSES_BEFORE_OFFER, Memory
from .texts import detect_locale, say
from .turn import Opinion, PendingTurn, SavedForm, TurnResult

log = structlog.get_logger()
SHANGHAI = ZoneInfo("Asia/Shanghai")
FORM_CHOICES = (ANSWER, CONTROL, REOPEN, SCENARIO)
OFF = DialogueResult("none", None, "off")
WHY = "why:"
WHYS = ("other", "unclear", "wrong", "missing")
WHY_CHARS = 60
START = "start_"
START_CHARS = 40
BESIDE, BESIDE_CHARS = frozenset({Verdict.ANSWER_CHECK, Verdict.DECLINE_SMALL_TALK}), 8
"""a statement so short that only gets one of these was meant for the form that is open"""
FindForm = Callable[[str], Awaitable[FormState | None]]


async def _no_forms(code: str) -> FormState | None:
    return None


class Assistant:
    def __init__(
        self,
        answerer: Callable[[], Answerer],
        dialogue: RasaClient | None,
        clock: Callable[[], datetime] = lambda: datetime.now(SHANGHAI),
        find_form: FindForm = _no_forms,
    ) -> None:
        self._answerer = answerer
        self._dialogue = dialogue
        self._clock = clock
        self._find_form = find_form
        self._pending: dict[str, PendingTurn] = {}

    def today(self) -> date:
        return self._clock().astimezone(SHANGHAI).date()

    @property
    def guided(self) -> GuidedServices:
        """The guided services of the current knowledge."""
        return self._answerer().guided

    async def ask(self, text: str, on: date | None = None) -> list[Answer]:
        """A single question without a conversation; never opens a ticket."""
        on = on or self.today()
        locale = detect_locale(text)
        try:
            clean = normalise(text)
            if find_crisis(clean) is None:
                intent = find_intent(clean)
                courtesy = courtesy_answer(intent, on, locale, Memory()) if intent and _is_short(intent, clean) else None
                if courtesy is not None:
                    return [courtesy]
            return await self._answerer().answer(text, on, locale=locale)
        except Exception as error:  # the one catch-all: recorded, and a person is offered
            log.error("answering_failed", error=type(error).__name__, exc_info=error)
            return [fixed(Verdict.FAILED_ERROR, "failed", on, locale)]

    async def reply(
        self, turn_id: str, conversation_id: str, sender_id: str, text: str | None, choice: str | None,
        memory: Memory, locale: str,
    ) -> TurnResult:  # fmt: skip
        """Decides one turn; storing and delivering it is the caller's business. Never raises."""
        on = self.today()
        ids = _Ids(turn_id, conversation_id, sender_id)
        try:
            turn = PendingTurn(
                text or "", normalise(text or ""), on, memory, locale,
                FormTalk(self._answerer().guided, memory, on, locale),
            )  # fmt: skip
            result = await (self._reply_to_choice(ids, turn, choice) if choice is not None else self._reply_to_text(ids, turn))
            return unlike_the_last(result, memory, locale)
        except Exception as error:
            log.error("turn_failed", turn=turn_id, error=type(error).__name__, exc_info=error)
            answer = fixed(Verdict.FAILED_ERROR, "failed", on, locale)
            return TurnResult([answer], memory.after(answer, text or memory.question or ""))

    # ---- choices ----------------------------------------------------------------------------------------------------

    async def _reply_to_choice(self, ids: _Ids, turn: PendingTurn, choice: str) -> TurnResult:
        memory, on, locale = turn.memory, turn.on, turn.locale
        question = memory.question or memory.choices.get(choice, "")
        if choice == PERSON:
            return TurnResult([], memory, open_ticket=True, dialogue="choice")
        if choice.startswith(FORM_CHOICES):
            return await self._move_or_remind(ids, turn, turn.talk.choose(choice), "choice")
        if choice.startswith(WHY):
            return self._why(turn, memory.choices.get(choice, choice))
        if choice == NO:
            if turn.talk.is_open:
                return self._reminded(turn, "form_continue", "choice")
            answer = fixed(Verdict.DECLINE_COURTESY, "deny", on, locale)
        elif choice == NONE_OF_THESE:
            answer = fixed(Verdict.HANDOFF_UNSURE, "unsure", on, locale)
        else:
            found = self._answerer().answer_entry(choice.removeprefix("entry:"), on, locale)
            answer = found or fixed(Verdict.HANDOFF_UNSURE, "unsure", on, locale)
        return self._finished([answer], turn, question, "choice")

    # ---- texts ------------------------------------------------------------------------------------------------------

    async def _reply_to_text(self, ids: _Ids, turn: PendingTurn) -> TurnResult:
        if find_crisis(turn.clean):
            answers = await self._answerer().answer(turn.text, turn.on, turn.memory, turn.locale)
            return self._remembered(answers, turn, turn.text, "screen")
        decided = await self._decide_here(ids, turn)
        if decided is not None:
            return decided
        self._make_stand_alone(turn)
        result = await self._ask_dialogue(ids, turn)
        return self._in_step(await self._by_result(turn, result), ids, turn, result)

    async def _by_result(self, turn: PendingTurn, result: DialogueResult) -> TurnResult:
        """The reply to what Rasa read; a text that is a plain pattern as a whole says the same with or without Rasa."""
        if turn.move is not None:
            return self._moved(turn, turn.move, "rasa")
        said = str(result.value) if result.kind == "say" and result.value else None
        for intent in (find_intent(turn.clean), None if turn.answers else said):
            decided = self._intended(turn, intent) if intent else None
            if decided is not None:
                decided.dialogue = "rasa" if intent == said else "single_turn"
                return decided
        if turn.answers:
            return self._finished(turn.answers, turn, turn.text, "rasa")
        answers = await self._answerer().answer(turn.text, turn.on, turn.memory, turn.locale)
        return self._finished(answers, turn, turn.text, "single_turn")

    def _make_stand_alone(self, turn: PendingTurn) -> None:
        """Rewrites a question that leans on the one before."""
        answerer = self._answerer()
        if turn.talk.is_open:
            return
        back = going_back(turn.clean)
        if back is not None and (memory := turn.memory.returned()):
            turn.memory, alone = memory, back or memory.question
        else:
            alone = standing_alone(turn.clean, turn.memory.question, answerer.taxonomy)
        if alone:
            turn.text = turn.clean = alone

    async def _decide_here(self, ids: _Ids, turn: PendingTurn) -> TurnResult | None:
        """What needs no understanding: a code, a choice by its label, an answer to the open form, a number."""
        clean, memory, talk = turn.clean, turn.memory, turn.talk
        code = find_code(clean)
        if code:
            return await self._resume(ids, turn, code)
        labelled = next((c for c, label in memory.choices.items() if normalise(label) == clean.strip(" 。.!！")), None)
        if labelled:
            return await self._reply_to_choice(ids, turn, labelled)
        if talk.is_open:
            intent = find_intent(clean)
            named = talk.guided.named_in(clean) if wants_guidance(clean) else None
            if named:
                return await self._move_or_remind(ids, turn, talk.start(named, matter_of(clean)), "form")
            if intent in CONTROLS | LEAVING:
                return await self._move_or_remind(ids, turn, talk.control(str(intent)), "form")
            move = talk.read(clean)
            if move is None and is_number(clean):
                return self._reminded(turn, "form_no_such_choice", "form")
            return None if move is None else await self._move_or_remind(ids, turn, move, "form")
        numbered = _numbered_choice(clean, memory)
        if numbered is not None:
            return await self._reply_to_choice(ids, turn, numbered)
        if memory.asking_why and _says_why(clean):
            return self._why(turn, turn.text)
        asked_which = len(memory.choices) > 1 and all(c.startswith(SCENARIO) for c in memory.choices)
        named = talk.guided.named_in(clean)
        if not wants_guidance(clean) and not (asked_which and named and not is_question(clean)):
            return None
        if named is None:
            return self._remembered([talk.guided.which(turn.on, turn.locale)], turn, memory.question or turn.text, "form")
        return await self._move_or_remind(ids, turn, talk.start(named, matter_of(clean)), "form")

    def _intended(self, turn: PendingTurn, intent: str) -> TurnResult | None:
        """The reply to an intent; None where the text means more than the intent says."""
        memory, talk = turn.memory, turn.talk
        if not _is_short(intent, turn.clean):
            return None
        if move := self._form_intent(turn, intent):
            return self._moved(turn, move, "form")
        if intent in ("useful", "useless") and memory.last_answer:
            return self._rated(turn, memory.last_answer, intent == "useful")
        if intent == "affirm" and memory.offered_person:
            return TurnResult([], memory, open_ticket=True)
        answer = courtesy_answer(_in_context(intent, memory), turn.on, turn.locale, memory)
        if answer is None:
            return None
        after = self._remembered([answer], turn, memory.question or turn.text, "single_turn")
        if intent == "unknown" and not talk.is_open:
            return self._counted(after, turn)
        if intent == "ask_human":
            after.memory = after.memory.model_copy(update={"question": memory.question or turn.text})
        elif talk.is_open:
            lead = "please_choose" if intent in ("affirm", "deny") else "form_continue"
            shown = [] if intent in ("affirm", "deny", "repeat") else [answer]
            return self._with_reminder(shown, turn, memory.question or turn.text, "single_turn", lead)
        return after

    # ---- guided services --------------------------------------------------------------------------------------------

    async def _resume(self, ids: _Ids, turn: PendingTurn, code: str) -> TurnResult:
        state = await self._find_form(code)
        move = turn.talk.resume(state, code) if state else None
        if move is None:
            key = "form_gone" if state else "form_no_code"
            return self._finished([fixed(Verdict.DECLINE_COURTESY, key, turn.on, turn.locale)], turn, turn.text, "form")
        return await self._move_or_remind(ids, turn, move, "form")

    async def _move_or_remind(
        self, ids: _Ids, turn: PendingTurn, move: FormMove | None, dialogue: str
    ) -> TurnResult:
        """Makes the move and has Rasa follow it; without one the open question is asked again."""
        if move is None:
            if turn.talk.is_open:
                return self._reminded(turn, "form_continue", dialogue)
            return self._finished([fixed(Verdict.DECLINE_COURTESY, "no_form", turn.on, turn.locale)], turn, turn.text, dialogue)
        answers = await self._answers_aside(turn, move)
        result = await self._follow(ids, turn, move)
        return self._in_step(self._moved(turn, move, dialogue, answers), ids, turn, result)

    async def _answers_aside(self, turn: PendingTurn, move: FormMove) -> list[Answer]:
        if not move.aside:
            return []
        answerer = self._answerer()
        question = with_matter(move.aside, topic_of(move.scenario, move.state), answerer.taxonomy) or move.aside
        return await answerer.answer(question, turn.on, turn.memory, turn.locale)

    def _moved(self, turn: PendingTurn, move: FormMove, dialogue: str, before: list[Answer] | None = None) -> TurnResult:
        answer, memory, kept = turn.talk.show(move)
        answers = [*(before or []), answer]
        saved = SavedForm(memory.form_code, kept) if kept and memory.form_code else None
        memory = memory.model_copy(update={"choices": _all_choices(answers), "misses": 0})
        return TurnResult(answers, memory, dialogue=dialogue, saved=saved, rotate=kept is not None)

    def _reminded(self, turn: PendingTurn, lead: str, dialogue: str) -> TurnResult:
        return self._with_reminder([], turn, turn.memory.question or turn.text, dialogue, lead)

    def _with_reminder(
        self, answers: list[Answer], turn: PendingTurn, question: str, dialogue: str, lead: str
    ) -> TurnResult:
        return self._remembered([*answers, turn.talk.remind(lead)], turn, question, dialogue)

    # ---- opinions ---------------------------------------------------------------------------------------------------

    def _rated(self, turn: PendingTurn, reply_id: str, useful: bool) -> TurnResult:
        answer = fixed(Verdict.DECLINE_COURTESY, "useful" if useful else "useless", turn.on, turn.locale)
        if not useful:
            choices = [Choice(id=f"{WHY}{why}", label=say(f"why_{why}", turn.locale)) for why in WHYS]
            choices.append(Choice(id=PERSON, label=say("choice_person", turn.locale)))
            answer = Answer(answer.reply.model_copy(update={"choices": choices}), answer.trace)
        result = self._remembered([answer], turn, turn.memory.question or turn.text, "single_turn")
        result.memory = result.memory.model_copy(update={"asking_why": not useful, "last_answer": reply_id})
        result.opinion = Opinion(reply_id, useful)
        return result

    def _why(self, turn: PendingTurn, why: str) -> TurnResult:
        answer = fixed(Verdict.DECLINE_COURTESY, "why_noted", turn.on, turn.locale)
        result = self._remembered([answer], turn, turn.memory.question or turn.text, "single_turn")
        if turn.memory.last_answer:
            result.opinion = Opinion(turn.memory.last_answer, False, why)
        result.memory = result.memory.model_copy(update={"offered_person": True})
        return result

    # ---- Rasa -------------------------------------------------------------------------------------------------------

    async def _ask_dialogue(self, ids: _Ids, turn: PendingTurn) -> DialogueResult:
        """Rasa's reading of the text; its actions answer the turn or move the form."""
        if self._dialogue is None:
            return OFF
        if turn.talk.is_open and not self._is_followed(ids, turn) and (move := turn.talk.control("continue")):
            turn.followed = (await self._follow(ids, turn, move)).kind == "ask"
            turn.move = None
        self._pending[ids.turn] = turn
        try:
            vector = await self._answerer().vector_of(guard_slash(turn.clean))
            return await self._dialogue.turn(ids.sender, turn.clean, {**ids.metadata, "vector": vector})
        finally:
            self._pending.pop(ids.turn, None)

    async def _follow(self, ids: _Ids, turn: PendingTurn, move: FormMove) -> DialogueResult:
        """Tells Rasa what the form did, so that its slots and loop are the same."""
        if self._dialogue is None:
            return OFF
        intent, slots = _command(move, turn, self._is_followed(ids, turn))
        if intent is None:
            return OFF
        turn.move = move
        self._pending[ids.turn] = turn
        try:
            return await self._dialogue.command(ids.sender, intent, ids.metadata, slots)
        finally:
            self._pending.pop(ids.turn, None)

    def _is_followed(self, ids: _Ids, turn: PendingTurn) -> bool:
        return turn.followed or (turn.talk.is_open and turn.memory.form_sender == ids.sender)

    def _in_step(self, decided: TurnResult, ids: _Ids, turn: PendingTurn, result: DialogueResult) -> TurnResult:
        """Notes whether Rasa's tracker follows the form; if not, the next turn resumes it."""
        state = decided.memory.form
        expected = slot_name(state.scenario, state.asked or "") if state and state.is_open else None
        if result.kind == "ask":
            follows = result.value == expected
        else:
            follows = expected is not None and result.kind in ("answer", "say") and self._is_followed(ids, turn)
        decided.memory = decided.memory.model_copy(update={"form_sender": ids.sender if follows else None})
        if result.kind == "ask" and expected is None:
            decided.rotate = True  # Rasa is in a form that the conversation is not in
        decided.trace["dialogue_cause"] = result.cause
        decided.rotate = decided.rotate or result.cause == "timeout"
        return decided

    def move_pending(self, turn_id: str, intent: str) -> FormMove | None:
        """Called by Rasa's actions: where the open turn's form goes, decided once."""
        turn = self._pending.get(turn_id)
        if turn is None:
            return None
        if turn.move is None and _is_short(intent, turn.clean):
            turn.move = self._form_intent(turn, intent)
        return turn.move

    def _form_intent(self, turn: PendingTurn, intent: str) -> FormMove | None:
        if intent.startswith(START):
            return None if is_question(turn.clean) else turn.talk.start(intent.removeprefix(START), turn.clean)
        return turn.talk.control(intent) if intent in CONTROLS | LEAVING else None

    async def answer_pending(self, turn_id: str) -> bool:
        """Called by Rasa's action for a turn that is still open; a late or repeated call changes nothing."""
        turn = self._pending.get(turn_id)
        if turn is None:
            return False
        if turn.answers is None:
            turn.answers = await self._answerer().answer(turn.text, turn.on, turn.memory, turn.locale)
        return True

    # ---- after the answers ------------------------------------------------------------------------------------------

    def _finished(self, answers: list[Answer], turn: PendingTurn, question: str, dialogue: str) -> TurnResult:
        """Answers to a question: the open form goes on, a guided service is offered, after two misses a person."""
        if turn.talk.is_open and not any(a.reply.kind == "crisis" for a in answers):
            beside = MISSED if len(turn.clean) > BESIDE_CHARS else MISSED | BESIDE
            if all(a.verdict in beside for a in answers) and not is_question(turn.clean):
                return self._not_understood(turn, question, dialogue)
            return self._with_reminder(answers, turn, question, dialogue, "form_continue")
        offered = [self._offering_guidance(a, turn) for a in answers]
        return self._remembered(offered, turn, question, dialogue)

    def _not_understood(self, turn: PendingTurn, question: str, dialogue: str) -> TurnResult:
        result = self._with_reminder([], turn, question, dialogue, "form_not_understood")
        misses = turn.memory.misses + 1
        result.memory = result.memory.model_copy(update={"misses": misses})
        return offer_person(result, turn.locale) if misses >= MISSES_BEFORE_OFFER else result

    def _offering_guidance(self, answer: Answer, turn: PendingTurn) -> Answer:
        """The service's guided form among the choices of an answer."""
        guided = turn.talk.guided
        scenario = guided.of_service(answer.reply.service) if answer.reply.kind == "answer" else None
        offer = guided.offer(scenario, turn.locale) if scenario else None
        if offer is None:
            return answer
        choices = list(answer.reply.choices or [])
        at = next((n for n, c in enumerate(choices) if c.id == PERSON), len(choices))
        return Answer(answer.reply.model_copy(update={"choices": [*choices[:at], offer, *choices[at:]]}), answer.trace)

    def _remembered(self, answers: list[Answer], turn: PendingTurn, question: str, dialogue: str) -> TurnResult:
        memory = turn.memory
        for answer in sorted(answers, key=lambda a: a.reply.kind == "crisis"):  # its offer of a person stays open
            memory = memory.after(answer, question)
        memory = memory.model_copy(update={"choices": _all_choices(answers)})
        result = TurnResult(answers, memory, dialogue=dialogue)
        return offer_person(result, turn.locale) if memory.misses >= MISSES_BEFORE_OFFER else result

    def _counted(self, result: TurnResult, turn: PendingTurn) -> TurnResult:
        """A citizen who does not know what to say has got no further either."""
        result.memory = result.memory.model_copy(update={"misses": turn.memory.misses + 1})
        return offer_person(result, turn.locale) if result.memory.misses >= MISSES_BEFORE_OFFER else result


def _command(move: FormMove, turn: PendingTurn, followed: bool) -> tuple[str | None, dict[str, str] | None]:
    """The intent and slots that make Rasa's tracker follow the move; None where there is nothing to follow."""
    scenario, state = move.scenario.id, move.state
    if move.command == "start":
        return f"start_{scenario}", None
    if followed and move.command == "inform":
        before = turn.memory.form.answers if turn.memory.form else {}
        return INFORM, {slot_name(scenario, q): c for q, c in state.answers.items() if before.get(q) != c}
    if followed and move.command in MOVES + LEAVES:
        return in_rasa(move.command), None
    return (f"resume_{scenario}", None) if state.is_open else (None, None)


class _Ids:
    def __init__(self, turn: str, conversation: str, sender: str) -> None:
        self.turn, self.sender = turn, sender
        self.metadata = {"turn_id": turn, "conversation_id": conversation}


def _is_short(intent: str, clean: str) -> bool:
    """Longer texts that only begin like a greeting carry a question; retrieval decides then."""
    limit = START_CHARS if intent.startswith(START) else COURTESY_CHARS
    return len(clean) <= limit or intent in ("ask_human", "repeat")


def _says_why(clean: str) -> bool:
    """A remark about an answer rather than the next question."""
    remark = clean[0] in "没不答你" or not is_question(clean)
    return remark and len(clean) <= WHY_CHARS and find_intent(clean) is None


def _in_context(intent: str, memory: Memory) -> str:
    """好的 after an answer agrees with the answer; 算了 after the offer of a person declines it."""
    if intent == "affirm" and memory.last_answer and memory.question:
        return "affirm_answer"
    return "deny" if intent == "cancel" and memory.offered_person else intent


def _all_choices(answers: list[Answer]) -> dict[str, str]:
    return {c.id: c.label for a in answers for c in a.reply.choices or []}


def _numbered_choice(clean: str, memory: Memory) -> str | None:
    """「2」「第二个」「都不是」 as an answer to the choices that were offered."""
    ids = list(memory.choices)
    if clean.strip(" 。.!！") in ("都不是", "不是", "都不对", "没有我要的") and NONE_OF_THESE in memory.choices:
        return NONE_OF_THESE
    number = read_number(clean, min(len(ids), len(DIGITS)))
    return None if number is None else ids[number]


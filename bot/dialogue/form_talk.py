"""A turn inside a guided service: what it does to the form, and the reply that follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from knowledge.content import Scenario

from ..answer import Answer
from ..memory import Memory
from ..texts import say
from . import form
from .compiler import LEAVES, MOVES
from .form import FormState
from .guided import ANSWER, CONTROL, REOPEN, SCENARIO, GuidedServices, new_code
from .reading import is_question, questions_in, read_label, read_number
from .wording import Wording

QUESTION_CHARS = 300
CONTROLS = frozenset({*MOVES, "continue"})
LEAVING = frozenset(LEAVES)


@dataclass(frozen=True)
class FormMove:
    """Where the form goes in this turn."""

    scenario: Scenario
    state: FormState
    command: str
    """the intent that tells Rasa the same: start, inform, back …"""
    lead: str = ""
    """key of the words before the question"""
    aside: str | None = None
    """a question asked in the same breath"""
    code: str | None = None
    """the code under which the form was saved"""


class FormTalk:
    def __init__(self, guided: GuidedServices, memory: Memory, on: date, locale: str) -> None:
        self.guided = guided
        self._memory, self._on, self._locale = memory, on, locale
        self.scenario = guided.find(memory.form.scenario) if memory.form else None
        self.state = form.fitted(self.scenario, memory.form) if self.scenario and memory.form else None

    @property
    def is_open(self) -> bool:
        return self.state is not None and self.state.is_open

    def start(self, scenario_id: str, clean: str = "") -> FormMove | None:
        """A new form, or on with the one that is open."""
        if self.is_open and self.scenario and self.scenario.id == scenario_id:
            return self.control("continue")
        scenario = self.guided.find(scenario_id)
        if scenario is None:
            return None
        said = "" if clean == scenario.title else clean
        return FormMove(scenario, form.start(scenario, said), "start", "form_start")

    def resume(self, state: FormState, code: str) -> FormMove | None:
        scenario = self.guided.find(state.scenario)
        if scenario is None:
            return None
        fresh = form.fitted(scenario, state.model_copy(update={"paused": False, "changing": False}))
        return FormMove(scenario, fresh, "resume", "form_continue", code=code)

    def control(self, name: str) -> FormMove | None:
        """上一步, 不知道, 改一下, 重新来, 接着办, 算了; None where there is nothing that it could apply to."""
        if self.scenario is None or self.state is None:
            return None
        state = self.state.model_copy(update={"paused": False})
        move = FormMove(self.scenario, state, name, code=self._memory.form_code)
        if name in LEAVING:
            return replace(move, state=self.state.model_copy(update={"paused": True})) if self.is_open else None
        if name == "restart_form":
            return replace(move, state=form.start(self.scenario), lead="form_restarted", code=None)
        if name == "continue":
            return replace(move, state=state.model_copy(update={"changing": False}), lead="form_continue")
        if name == "back":
            return replace(move, state=form.back(self.scenario, state), lead="form_back" if state.trail else "form_first")
        if name == "change":
            return replace(move, state=form.list_answers(state), lead="" if state.trail else "form_first")
        if name == "unknown" and self.is_open and state.asked:
            return replace(move, state=form.pass_over(self.scenario, state), lead="form_passed")
        return None

    def choose(self, choice: str) -> FormMove | None:
        """A choice that was offered; None where it belongs to a question that is no longer open."""
        if choice.startswith(SCENARIO):
            return self.start(choice.removeprefix(SCENARIO))
        if choice.startswith(CONTROL):
            return self.control(choice.removeprefix(CONTROL))
        if self.scenario is None or self.state is None:
            return None
        if choice.startswith(REOPEN):
            return self._reopened(choice.removeprefix(REOPEN))
        if choice.startswith(ANSWER):
            question, _, answer = choice.removeprefix(ANSWER).partition(":")
            return self._informed(form.take_choice(self.scenario, self.state, question, answer))
        return None

    def read(self, clean: str) -> FormMove | None:
        """What the normalised text answers or corrects in the open form; None where it does neither."""
        if not self.is_open or self.scenario is None or self.state is None:
            return None
        if self.state.changing:
            number = read_number(clean, len(self.state.trail))
            return None if number is None else self._reopened(self.state.trail[number])
        corrected = _correction(clean)
        if corrected and (state := form.correct_text(self.scenario, self.state, corrected)):
            return replace(self._moved(state, "inform"), lead="form_changed")
        labels = {c: label for c, label in self._memory.choices.items() if c.startswith(ANSWER)}
        if self._locale == "en" and (chosen := read_label(clean, labels)):
            return self.choose(chosen)
        if move := self._informed(form.take_text(self.scenario, self.state, clean)):
            return replace(move, aside=questions_in(clean))
        said = form.say_again(self.scenario, self.state, clean)
        if said is None:
            return None
        if said is self.state:
            return self.control("continue")
        return replace(self._moved(said, "inform"), lead="form_changed")

    def show(self, move: FormMove) -> tuple[Answer, Memory, FormState | None]:
        """The reply, the memory after it, and the form where it is to be kept under the memory's code."""
        wording = Wording(move.scenario, self._locale)
        state = move.state
        if state.is_open:
            lead = say(move.lead, self._locale, title=wording.title) if move.lead else ""
            answer, kept = self.guided.step(move.scenario, state, self._on, self._locale, lead), None
            code = move.code
        else:
            code, kept = move.code or new_code(), state
            answer = (
                self.guided.paused(move.scenario, self._on, self._locale, code)
                if state.paused
                else self.guided.result(move.scenario, state, self._on, self._locale, code)
            )
        given = "；".join(f"{ask} {label}" for ask, label in self.guided.given(move.scenario, state))
        summary = f"办事向导“{move.scenario.title}”：{given}"[:QUESTION_CHARS]
        memory = self._memory.after(answer, summary).model_copy(update={"form": state, "form_code": code})
        return answer, memory, kept

    def remind(self, lead: str) -> Answer:
        """The open question once more."""
        assert self.scenario is not None
        assert self.state is not None
        return self.guided.step(self.scenario, self.state, self._on, self._locale, say(lead, self._locale, title=self._title()))

    def _title(self) -> str:
        return Wording(self.scenario, self._locale).title if self.scenario else ""

    def _informed(self, state: FormState | None) -> FormMove | None:
        return self._moved(state, "inform") if state else None

    def _reopened(self, question: str) -> FormMove:
        assert self.scenario is not None
        assert self.state is not None
        return self._moved(form.reopen(self.scenario, self.state, question), "resume")

    def _moved(self, state: FormState, command: str) -> FormMove:
        assert self.scenario is not None
        return FormMove(self.scenario, state, command, code=self._memory.form_code)


def _correction(clean: str) -> str | None:
    """What follows 不对，说错了 … as a statement."""
    for opening in ("不对", "不是", "错了", "说错了", "选错了", "我说错了", "我选错了", "改成", "改为", "应该是", "应该选"):
        if clean.startswith(opening) and len(rest := clean.removeprefix(opening).strip(" ，,。是")) >= 2:
            return None if is_question(rest) else rest
    return None

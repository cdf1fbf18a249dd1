"""Action name → function. Rasa's action server is our gateway; an action returns references and slots, never words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from .compiler import form_name, from_rasa, slot_name
from .form import slot_values
from .form_talk import FormMove

ActionResult = dict[str, Any]


class Turns(Protocol):
    """The turns that are being decided."""

    async def answer_pending(self, turn_id: str) -> bool: ...

    def move_pending(self, turn_id: str, intent: str) -> FormMove | None: ...


Action = Callable[[dict[str, Any], Turns], Awaitable[ActionResult]]


async def action_answer(request: dict[str, Any], turns: Turns) -> ActionResult:
    """Has the turn answered and returns its id; a late or unknown turn gets nothing and changes nothing."""
    turn_id, _ = _turn_and_intent(request)
    if turn_id and await turns.answer_pending(turn_id):
        return {"events": [], "responses": [{"custom": {"answer_id": turn_id}}]}
    return {"events": [], "responses": []}


async def action_form(request: dict[str, Any], turns: Turns) -> ActionResult:
    """Moves the conversation's form by the intent and has the slots follow it."""
    return {"events": _slots(request, turns), "responses": []}


async def validate_form(request: dict[str, Any], turns: Turns) -> ActionResult:
    """Rasa's own idea of the slots is replaced by the conversation's, the requested one included."""
    events = _slots(request, turns)
    if events:
        empty = next((e["name"] for e in events if e["value"] is None), None)
        events.append(_slot("requested_slot", empty))
    return {"events": events, "responses": []}


def find_action(name: str, scenario_ids: Iterable[str]) -> Action | None:
    return actions(scenario_ids).get(name)


def actions(scenario_ids: Iterable[str]) -> dict[str, Action]:
    return {
        "action_answer": action_answer, "action_form": action_form,
        **{f"validate_{form_name(s)}": validate_form for s in scenario_ids},
    }  # fmt: skip


def _slots(request: dict[str, Any], turns: Turns) -> list[dict[str, Any]]:
    turn_id, intent = _turn_and_intent(request)
    move = turns.move_pending(turn_id, intent) if turn_id else None
    if move is None:
        return []
    return [_slot(slot_name(move.scenario.id, q), v) for q, v in slot_values(move.scenario, move.state).items()]


def _slot(name: str, value: str | None) -> dict[str, Any]:
    return {"event": "slot", "name": name, "value": value, "timestamp": None}


def _turn_and_intent(request: dict[str, Any]) -> tuple[str | None, str]:
    message = (request.get("tracker") or {}).get("latest_message") or {}
    turn_id = (message.get("metadata") or {}).get("turn_id")
    intent = (message.get("intent") or {}).get("name")
    return (turn_id if isinstance(turn_id, str) else None), from_rasa(str(intent or ""))

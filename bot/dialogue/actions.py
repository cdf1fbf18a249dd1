"""Action name → function. Rasa's action server is our gateway; an action returns references, never words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

AnswerPending = Callable[[str], Awaitable[bool]]
ActionResult = dict[str, Any]


async def action_answer(request: dict[str, Any], answer_pending: AnswerPending) -> ActionResult:
    """Has the turn answered and returns its id; a late or unknown turn gets nothing and changes nothing."""
    metadata = (request.get("tracker") or {}).get("latest_message", {}).get("metadata") or {}
    turn_id = metadata.get("turn_id")
    if isinstance(turn_id, str) and await answer_pending(turn_id):
        return {"events": [], "responses": [{"custom": {"answer_id": turn_id}}]}
    return {"events": [], "responses": []}


ACTIONS: dict[str, Callable[[dict[str, Any], AnswerPending], Awaitable[ActionResult]]] = {
    "action_answer": action_answer,
}

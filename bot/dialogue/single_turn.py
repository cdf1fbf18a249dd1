"""What a short text wants when Rasa is late or down: the same intents, by plain patterns."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from knowledge.yaml_files import load_yaml_list

PATTERNS_FILE = Path(__file__).with_name("single_turn.yaml")
ASK_HUMAN_CHARS = 20
_ASK_HUMAN = re.compile(
    r"转(?:接)?(?:人工|真人|工作人员|客服)|(?:^|[要找想请有让叫])(?:个)?(?:人工|真人|活人)(?:客服|服务|坐席)?(?=$|[\s,，。!！?？吧呢啊])|(?:找|要|让)(?:个)?(?:工作人员|客服|领导|负责人)(?:来|说|谈|跟我|$|聊|。)|"
    r"(?:talk|speak) to (?:a )?(?:human|person|agent|someone)|real person|^human$"
)
_GUIDED = re.compile(
    r"一步一?步|一步步|向导|导办|引导(?:我|一下)|(?:带|领|教)(?:着)?我(?:办|走|做|看看|查查|试试)|手把手|帮我看看(?:我)?(?:能不能|符不符合|够不够)|"
    r"step by step|guide me"
)


class Pattern(BaseModel):
    model_config = ConfigDict(extra="forbid")

    says: str
    any: tuple[str, ...]


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (row.says, re.compile(rf"^(?:{'|'.join(row.any)})[\s,，.。!！?？~]*$"))
        for row in load_yaml_list(PATTERNS_FILE, Pattern)
    )


def wants_guidance(text: str) -> bool:
    """Whether the normalised text asks to be led through a matter."""
    return bool(_GUIDED.search(text))


def matter_of(text: str) -> str:
    """What the guidance is asked for."""
    return re.sub(r"能不能|可不可以|怎么|请|吗", "", _GUIDED.sub("", text)).strip(" ，,")


def find_intent(text: str) -> str | None:
    """The intent that the normalised text stands for as a whole, or None for anything with content."""
    for intent, pattern in _patterns():
        if pattern.match(text):
            return intent
    if len(text) <= ASK_HUMAN_CHARS and _ASK_HUMAN.search(text):
        return "ask_human"
    return None

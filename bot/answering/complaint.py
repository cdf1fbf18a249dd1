"""Complaint: somebody reports what happened to them or near them and wants it dealt with, not a rule explained."""

from __future__ import annotations

import re
from collections.abc import Sequence

from knowledge.snapshot import Snapshot

from .draft import Candidate

_DEMANDS = re.compile(
    r"投诉|举报|控告|检举|曝光|反映|强烈(要求|呼吁|建议)|彻查|严查|查处|取缔|整治|惩治|"
    r"请求?(有关|相关|上级|市|区|县|我[市区县]|贵|各级)?(部门|领导|政府|单位|民政局?).{0,16}(查|处理|核实|答复|回复|重视|解决|帮助|关注|过问|管一?管)|"
    r"(希望|恳请|恳求|盼望?|望|期望|请)[^，。？?]{0,14}(查处|处理|核实|答复|回复|重视|解决|管一?管|关注|过问|给个说法)"
)
_GRIEVANCES = re.compile(
    r"保护伞|不作为|乱作为|推诿|踢皮球|(没|无)人(管|理|问|过问)|黑心|以权谋私|优亲厚友|弄虚作假|截留|克扣|冒领|贪污|侵占|霸占|"
    r"不公(平|正|道|开)?(?!证)|不合理|乱收费|强制收|敲诈|骗取|欺骗|欺诈|大肆|违法|违规|违章|非法|偷(偷|建|埋)|扰民|不堪其扰|"
    r"态度(恶劣|差|很差|极差|不好)|刁难|骂人|打人|欺负|天理|公道|造假|猖獗|屡禁不止|长期占|毒瘤"
)
_ASKS_A_RULE = re.compile(
    r"(怎么|怎样|如何|咋|向谁|找谁|去哪|哪里|哪儿|什么地方|哪个部门|打什么)[^，。！？!?]{0,8}(投诉|举报|反映|控告|维权|告)|(投诉|举报|反映)(电话|渠道|方式|的?流程)|"
    r"(投诉|举报|反映|告)[^，。]{0,6}(找谁|去哪|哪里|打什么|有用吗|怎么处理)"
)
_ASKS = re.compile(r"[?？]|吗|呢|么(?!多)|(.)[不没]\1|有没有|怎么|怎样|如何|多少|多久|几|哪|能不能|可不可以|是否|咋|谁")
TRACKS = ("complaint", "report")
NO_TRACK = "track-complaint-staff"


def is_complaint(text: str) -> bool:
    """Whether the normalised text wants a matter dealt with: a demand, or a grievance that asks nothing."""
    if _ASKS_A_RULE.search(text):
        return False
    if _DEMANDS.search(text):
        return True
    return bool(_GRIEVANCES.search(text)) and not _ASKS.search(text)


def find_track(candidates: Sequence[Candidate], snapshot: Snapshot) -> Candidate | None:
    """The complaint track of the area that weighs most among civil affairs' own candidates, with that area's mass."""
    by_area: dict[str, float] = {}
    for c in candidates:
        if c.entry.kind in ("answer", "handoff") and c.entry.area:
            by_area[c.entry.area] = by_area.get(c.entry.area, 0.0) + c.probability
    if not by_area:
        return None
    area = max(by_area, key=lambda a: by_area[a])
    entries = (*(c.entry for c in candidates), *snapshot.entries.values())
    own = next((e for e in entries if e.area == area and e.kind == "handoff" and e.track in TRACKS), None)
    entry = own or snapshot.entries.get(NO_TRACK)
    return Candidate(entry, snapshot.revision_of(entry.id), by_area[area]) if entry else None

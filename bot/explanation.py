"""A stored trace → sections that staff can read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DECIDED_BY = {
    "screen": "筛查（紧急情况或空消息）", "retrieve": "检索", "judge": "判断", "fixed": "固定用语", "handoff": "开受理件", "form": "办事向导",
}  # fmt: skip
DIALOGUE = {
    "rasa": "多轮对话", "single_turn": "单轮（对话进程没有参与）", "choice": "群众点的选项", "form": "办事向导的一步",
    "screen": "紧急情况优先", "none": "没有用到",
}  # fmt: skip
REJECTED = {
    "withdrawn": "已撤下", "entry_not_in_force": "条目当天不在有效期", "uncited": "没有依据", "law_not_in_force": "依据当天不在施行",
    "personal_data": "含个人信息",
}  # fmt: skip
STEPS = {"encode": "编码", "screen": "筛查", "retrieve": "检索和排序", "judge": "判断和成文"}
MODELS = {
    "bundle": "索引", "encoder": "编码器", "ranker": "排序器", "classifier": "分类器", "lexical": "字词索引", "thresholds": "门槛",
    "rasa": "对话模型",
}  # fmt: skip


@dataclass(frozen=True)
class Section:
    title: str
    rows: list[tuple[str, str]]


def explain_trace(found: dict[str, Any]) -> list[Section]:
    """found: what store.find_trace gives. Sections without anything to say are left out."""
    reply, trace = found["reply"], found["trace"]
    sections = [
        Section("结果", list(_outcome(reply, trace, found["at"]))),
        Section("候选（概率）", [(entry, f"{p:.1%}") for entry, p in trace.get("candidates", ())] + _none(trace)),
        Section("没有采用", [(entry, REJECTED.get(why, why)) for entry, why in trace.get("rejected", ())]),
        Section("列出的读法", [(str(n), entry) for n, entry in enumerate(trace.get("readings", ()), 1)]),
        Section("修订", [(str(n), revision) for n, revision in enumerate(reply.get("revisions") or (), 1)]),
        Section("依据", [(c["title"], f"{c['document_number']}{c['article'] or ''}") for c in reply.get("citations") or ()]),
        Section("模型", [(MODELS.get(k, k), str(v)) for k, v in trace.get("models", {}).items() if v]),
        Section("用时（毫秒）", [(STEPS.get(k, k), f"{v:.1f}") for k, v in trace.get("timings_ms", {}).items()]),
    ]
    return [s for s in sections if s.rows]


def _outcome(reply: dict[str, Any], trace: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
    yield "时间", at
    yield "结果", f"{reply['verdict']}（{reply['kind']}{'，' + reply['band'] if reply.get('band') else ''}）"
    if reply.get("entry_id"):
        yield "条目", reply["entry_id"]
    if reply.get("confidence") is not None:
        yield "置信度", f"{reply['confidence']:.1%}"
    if "confidence" in trace:
        yield "排序给的概率", f"{trace['confidence']:.1%}"
    if reply.get("snapshot"):
        yield "发布快照", reply["snapshot"]
    yield "按哪天的规定", reply["as_of"]
    yield "哪一步定的", DECIDED_BY.get(trace.get("decided_by", ""), str(trace.get("decided_by", "—")))
    if "dialogue" in trace:
        yield "对话", DIALOGUE.get(trace["dialogue"], trace["dialogue"])
    if trace.get("dialogue_cause"):
        yield "转为单轮的原因", str(trace["dialogue_cause"])
    if trace.get("crisis"):
        yield "紧急情况", str(trace["crisis"])
    if trace.get("complaint"):
        yield "当作投诉", trace["complaint"]
    if trace.get("masked"):
        yield "打码", f"{trace['masked']} 处个人信息"


def _none(trace: dict[str, Any]) -> list[tuple[str, str]]:
    return [("都不是", f"{trace['none']:.1%}")] if "none" in trace else []

"""Things the tests are about, made with as few words as possible."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from knowledge.checks import CheckContext
from knowledge.city import City, CityProfile, ParameterDefinition
from knowledge.content import Entry
from knowledge.laws import load_laws
from knowledge.loading import Content
from knowledge.taxonomy import load_taxonomy

ON = date(2026, 11, 24)
LAWS = Path(__file__).resolve().parents[2] / "shared" / "domain" / "laws"


def make_entry(**changes):
    values = {
        "id": "some-entry", "title": "某事", "area": "A03", "service": "S06", "answer": "可以办。",
        "sources": [{"law": "marriage-registration", "article": "第八条"}],
        "questions": [f"第{n}种问法" for n in range(14)],
        "not_questions": [{"q": "别的事"}, {"q": "另一件事"}], "review_by": date(2027, 1, 1),
    }  # fmt: skip
    return Entry.model_validate(values | changes)


def make_city(**parameters):
    profile = CityProfile.model_validate(
        {"id": "t", "name": "测试市", "example": True, "bureau": "测试市民政局", "hotline": "12345", "office_hours": "-",
         "parameters": parameters}
    )  # fmt: skip
    definitions = (
        ParameterDefinition(key="dibao_standard", name="低保标准", type="money", per="每人每月", ask="街道办事处"),
        ParameterDefinition(key="org_promised_days", name="承诺时限", type="days", ask="窗口"),
    )
    return City(profile, definitions)


def make_context(*entries, texts=None):
    content = Content(entries={e.id: e for e in entries}, files={e.id: "f.yaml" for e in entries})
    return CheckContext(content, load_taxonomy(), load_laws(), make_city(), ON, texts or {}, whole=False)

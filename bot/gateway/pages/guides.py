"""Public pages: areas, guides, guided services, notices, search, sitemap. Server-rendered, printable, no script needed."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.datastructures import QueryParams

from knowledge.content import Guide, Scenario, ScenarioQuestion
from knowledge.scenarios import next_step
from knowledge.store import load_live

from ...answer import Citation
from ...answering.compose import basis_lines
from ...dialogue.form import fitted
from ...dialogue.guided import MAX_POSSIBLE
from ...service import Service
from ..problems import Problem
from ..state import service_of
from .guide_docx import guide_docx
from .render import page

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request) -> HTMLResponse:
    service = service_of(request)
    return page(request, "home.html", "home", areas=service.public.areas(), scenarios=service.public.scenarios(),
                services=service.public.taxonomy.service_by_code)  # fmt: skip


@router.get("/areas")
async def areas(request: Request) -> HTMLResponse:
    return page(request, "areas.html", "areas", areas=service_of(request).public.areas())


@router.get("/areas/{code}")
async def one_area(request: Request, code: str) -> HTMLResponse:
    service = service_of(request)
    area = service.public.taxonomy.area_by_code.get(code)
    if area is None:
        raise Problem(404, "没有这个政策领域，编号是 A01 到 A19。")
    today = service.assistant.today()
    reviewed = await _reviewed(service)
    names = {s.code: s.name for s in service.public.taxonomy.services}
    entries = [e for e in service.public.entries_of_area(code) if e.in_force(today)]
    groups = [
        (
            names.get(of_service or "", "其他常见问题"),
            [
                {
                    "entry": e, "reviewed": reviewed.get(e.id), "basis": _basis(service, e.sources),
                    "local": [service.city.line(k, today) for k in e.parameters],
                }
                for e in of_group
            ],
        )
        for of_service, of_group in groupby(entries, key=lambda e: e.service)
    ]
    guides = [g for g in service.public.snapshot().guides.values() if g.area == code]
    return page(request, "area.html", "areas", area=area, groups=groups, guides=guides)


@router.get("/guides")
async def guides(request: Request) -> HTMLResponse:
    service = service_of(request)
    return page(
        request, "guides.html", "guides", scenarios=service.public.taxonomy.scenarios,
        services=service.public.taxonomy.services, guides_of=service.public.snapshot().guides_of,
    )  # fmt: skip


@router.get("/guides/{guide_id}.docx")
async def one_guide_docx(request: Request, guide_id: str) -> Response:
    service = service_of(request)
    guide = _guide(service, guide_id)
    data = guide_docx(guide, service.city.profile.bureau, _local(service, guide), _basis(service, guide.basis))
    name = quote(f"{guide.title}办事指南.docx")
    return Response(data, media_type=DOCX, headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"})


@router.get("/guides/{guide_id}")
async def one_guide(request: Request, guide_id: str) -> HTMLResponse:
    service = service_of(request)
    guide = _guide(service, guide_id)
    reviewed = await _reviewed(service)
    scenario = service.public.taxonomy.service_by_code[guide.service].scenario
    return page(
        request, "guide.html", "guides", guide=guide, scenario=scenario, basis=_basis(service, guide.basis),
        remedies_basis=_basis(service, guide.remedies_basis), local=_local(service, guide), reviewed=reviewed[guide_id],
    )  # fmt: skip


@router.get("/scenarios")
async def scenarios(request: Request) -> HTMLResponse:
    live = service_of(request).public.snapshot().scenarios
    return page(request, "scenarios.html", "scenarios", scenarios=list(live.values()))


@router.get("/scenarios/{scenario_id}")
async def one_scenario(request: Request, scenario_id: str) -> HTMLResponse:
    """The answers so far are in the address, so that back, reload, print and sharing work without a script."""
    service = service_of(request)
    snapshot = service.public.snapshot()
    scenario = snapshot.scenarios.get(scenario_id)
    if scenario is None:
        raise Problem(404, "没有这个办事向导。")
    answers, answered = _answers(scenario, request.query_params)
    step = next_step(scenario, answers)
    shown: dict[str, Any] = {"scenario": scenario, "answers": answers, "answered": answered}
    if isinstance(step, ScenarioQuestion):
        return page(request, "scenario.html", "scenarios", **shown, question=step, views=[], saved=None)
    view = service.assistant.guided.view(scenario, step, service.assistant.today())
    return page(request, "scenario.html", "scenarios", **shown, question=None, views=[view], saved=None)


@router.get("/results/{code}")
async def one_result(request: Request, code: str) -> HTMLResponse:
    """A guided service kept under its code, by today's content; printable, for whoever holds the link."""
    service = service_of(request)
    saved = await service.find_form(code.strip().upper())
    scenario = service.assistant.guided.find(saved.state.scenario) if saved else None
    if saved is None or scenario is None:
        raise Problem(404, "没有找到这份结果，可能编号抄错了，或者已经过了30天。")
    state = fitted(scenario, saved.state)
    guided, today = service.assistant.guided, service.assistant.today()
    answered = [{"ask": ask, "label": label, "change": None} for ask, label in guided.given(scenario, state)]
    views = [] if state.asked else guided.views(scenario, state, today)[:MAX_POSSIBLE]
    response = page(
        request, "scenario.html", "scenarios", scenario=scenario, answers=state.answers, answered=answered, question=None,
        views=views, saved={"code": code.strip().upper(), "created": saved.created_at, "expires": saved.expires_at},
    )  # fmt: skip
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _answers(scenario: Scenario, given: QueryParams) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The valid answers in the order of asking; what follows an answer that is missing or odd is dropped."""
    answers: dict[str, str] = {}
    answered: list[dict[str, str]] = []
    while isinstance(step := next_step(scenario, answers), ScenarioQuestion):
        choice = next((c for c in step.choices if c.id == given.get(step.id)), None)
        if choice is None:
            break
        answered.append({"ask": step.ask, "label": choice.label, "change": f"?{urlencode(answers)}"})
        answers[step.id] = choice.id
    return answers, answered


@router.get("/notices")
async def notices(request: Request) -> HTMLResponse:
    service = service_of(request)
    today = service.assistant.today()
    changes = [
        {"entry": e, "basis": _basis(service, e.sources)}
        for e in service.public.snapshot().entries.values()
        if e.corrects and e.area and e.in_force(today)
    ]
    shown = [n for n in service.city.profile.notices if n.shown(today)]
    return page(request, "notices.html", "notices", notices=shown, changes=changes)


@router.get("/search")
async def search(request: Request, q: str = "") -> HTMLResponse:
    service = service_of(request)
    text = q.strip()[:300]
    answers = await service.assistant.ask(text) if text else []
    nearest = []
    for answer in answers:
        for entry_id, _ in answer.trace.get("candidates", [])[:6]:
            entry = service.public.snapshot().entries.get(entry_id)
            if entry is not None and entry.kind in ("answer", "redirect") and entry not in nearest:
                nearest.append(entry)
    return page(request, "search.html", "areas", q=text, answers=[a.reply for a in answers], nearest=nearest)


@router.get("/sitemap.xml")
async def sitemap(request: Request) -> PlainTextResponse:
    public = service_of(request).public
    base = str(request.base_url).rstrip("/")
    paths = ["/", "/chat", "/areas", "/guides", "/scenarios", "/notices", *(f"/areas/{a.code}" for a in public.taxonomy.areas)]
    paths += [f"/guides/{g}" for g in sorted(public.snapshot().guides)]
    paths += [f"/scenarios/{s}" for s in sorted(public.snapshot().scenarios)]
    urls = "".join(f"<url><loc>{base}{p}</loc></url>" for p in paths)
    text = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
    return PlainTextResponse(text, media_type="application/xml")


def _guide(service: Service, guide_id: str) -> Guide:
    guide = service.public.snapshot().guides.get(guide_id)
    if guide is None:
        raise Problem(404, "没有这份办事指南。")
    return guide


def _local(service: Service, guide: Guide) -> list[str]:
    keys = [*guide.parameters, *guide.office.parameters, *filter(None, [guide.time_limit.promised])]
    return [service.city.line(k, service.assistant.today()) for k in dict.fromkeys(keys)]


async def _reviewed(service: Service) -> dict[str, datetime]:
    """item id → when its live revision was published"""
    return {row.item.id: row.published_at for row in await service.database.read(load_live)}


def _basis(service: Service, sources: object) -> list[str]:
    return basis_lines([Citation.model_validate(service.public.laws.cite(s)) for s in sources])  # type: ignore[attr-defined]

"""Public pages: areas, guides, search, sitemap. Server-rendered, printable, no script needed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from knowledge.content import Guide
from knowledge.store import load_live

from ...answer import Citation
from ...answering.compose import basis_lines
from ...service import Service
from ..problems import Problem
from ..state import service_of
from .render import page

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
    entries = [
        {"entry": e, "local": [service.city.line(k, today) for k in e.parameters], "basis": _basis(service, e.sources)}
        for e in service.public.entries_of_area(code)
        if e.in_force(today)
    ]
    guides = [g for g in service.public.snapshot().guides.values() if g.area == code]
    return page(request, "area.html", "areas", area=area, entries=entries, guides=guides)


@router.get("/guides")
async def guides(request: Request) -> HTMLResponse:
    service = service_of(request)
    return page(
        request, "guides.html", "guides", scenarios=service.public.taxonomy.scenarios,
        services=service.public.taxonomy.services, guides_of=service.public.snapshot().guides_of,
    )  # fmt: skip


@router.get("/guides/{guide_id}")
async def one_guide(request: Request, guide_id: str) -> HTMLResponse:
    service = service_of(request)
    snapshot = service.public.snapshot()
    guide = snapshot.guides.get(guide_id)
    if guide is None:
        raise Problem(404, "没有这份办事指南。")
    live = {row.item.id: row for row in await service.database.read(load_live) if isinstance(row.item, Guide)}
    today = service.assistant.today()
    keys = [*guide.parameters, *guide.office.parameters]
    if guide.time_limit.promised:
        keys.append(guide.time_limit.promised)
    return page(
        request, "guide.html", "guides", guide=guide, basis=_basis(service, guide.basis),
        remedies_basis=_basis(service, guide.remedies_basis), local=[service.city.line(k, today) for k in keys],
        reviewed=live[guide_id].published_at,
    )  # fmt: skip


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
    paths = ["/", "/chat", "/areas", "/guides", *(f"/areas/{a.code}" for a in public.taxonomy.areas)]
    paths += [f"/guides/{g}" for g in sorted(public.snapshot().guides)]
    urls = "".join(f"<url><loc>{base}{p}</loc></url>" for p in paths)
    text = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
    return PlainTextResponse(text, media_type="application/xml")


def _basis(service: Service, sources: object) -> list[str]:
    return basis_lines([Citation.model_validate(service.public.laws.cite(s)) for s in sources])  # type: ignore[attr-defined]

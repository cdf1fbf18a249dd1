"""The composition root: the only place that builds real things."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles

from index.bundle import load_current
from index.convert import convert
from index.encoder import OFFLINE, Encoder, load_encoder, offline_digest
from knowledge.city import City, load_city
from knowledge.laws import LawRegister, load_laws
from knowledge.loading import CONTENT_FOLDER, load_content
from knowledge.snapshot import Snapshot, build_snapshot
from knowledge.store import ImportCounts, import_content, load_live, newest_event
from knowledge.taxonomy import Taxonomy, load_taxonomy

from . import store
from .answering.answerer import Answerer
from .answering.retrieve import CueFinder, Engine
from .assistant import Assistant
from .database import Database
from .dialogue.client import RasaClient
from .dialogue.compiler import compile_project
from .dialogue.form import FormState
from .encoding import EncodingService
from .engine import build_bundle, load_engine
from .errors import Refused
from .liveness import LiveRevisions
from .migrations import upgrade
from .provenance import models_behind
from .public import PublicData
from .service import Service
from .settings import Settings

log = structlog.get_logger()
Progress = Callable[[str], None]
SHANGHAI = ZoneInfo("Asia/Shanghai")
ERASE_EVERY_S = 6 * 3600


@dataclass
class Parts:
    """Everything that answering needs, without HTTP."""

    settings: Settings
    database: Database
    taxonomy: Taxonomy
    laws: LawRegister
    city: City
    cues: CueFinder
    progress: Progress

    @cached_property
    def encoder(self) -> Encoder:
        """Loaded when something is to be encoded; converted before where it is not yet."""
        settings = self.settings
        if settings.encoder == OFFLINE:
            convert(settings.encoder_dir, self.progress)
        return load_encoder(settings.encoder, settings.encoder_dir, settings.encoder_threads)

    @property
    def encoder_digest(self) -> str:
        known = offline_digest(self.settings.encoder_dir) if self.settings.encoder == OFFLINE else None
        return known or self.encoder.digest

    @cached_property
    def live(self) -> LiveRevisions:
        return LiveRevisions(self.database)

    def snapshot(self) -> Snapshot:
        return build_snapshot(self.database.read_now(load_live))


def now() -> datetime:
    return datetime.now(SHANGHAI)


def prepare_database(settings: Settings) -> Database:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.resolved_database_url)
    upgrade(database.engine)
    return database


def build_parts(settings: Settings, progress: Progress = lambda line: None) -> Parts:
    taxonomy = load_taxonomy()
    return Parts(
        settings, prepare_database(settings), taxonomy, load_laws(), load_city(settings.city), CueFinder(taxonomy), progress
    )


def load_content_files(parts: Parts, folder: Path = CONTENT_FOLDER) -> ImportCounts:
    """Publishes the content files; raises ContentError and changes nothing where one is wrong."""
    content = load_content(folder)
    return parts.database.submit(
        lambda c: import_content(c, list(content.items()), who="content files", now=now())
    ).result()


def prepare(settings: Settings, progress: Progress) -> None:
    """Database, encoder, content, index: everything that a start needs. Quick where nothing changed."""
    parts = build_parts(settings, progress)
    try:
        counts = load_content_files(parts)
        if counts.published or counts.withdrawn:
            progress(f"知识：发布 {counts.published} 项，撤下 {counts.withdrawn} 项")
        snapshot = ensure_index(parts)
        compile_project(list(snapshot.scenarios.values()), settings.rasa_project_dir)
    finally:
        parts.database.close()


def ensure_index(parts: Parts) -> Snapshot:
    """What is published, once the index is built from it."""
    snapshot, folder = parts.snapshot(), parts.settings.index_dir
    bundle = load_current(folder, parts.encoder_digest)
    if bundle is None or bundle.snapshot != snapshot.version:
        build_bundle(snapshot, parts.encoder, folder, parts.cues, progress=parts.progress)
    return snapshot


def current_engine(parts: Parts) -> Engine:
    bundle = load_current(parts.settings.index_dir, parts.encoder_digest)
    engine = load_engine(parts.snapshot(), bundle, parts.cues) if bundle else None
    if engine is None:
        raise Refused("还没有索引。请先运行 minda build-index。")
    return engine


def build_answerer(parts: Parts, encoding: EncodingService, engine: Engine | None = None) -> Answerer:
    """Over the current bundle, unless another engine is given."""
    engine = engine or current_engine(parts)
    return Answerer(engine, encoding, parts.laws, parts.city, parts.taxonomy, parts.live)


def build_service(settings: Settings) -> Service:
    parts = build_parts(settings)
    with ThreadPoolExecutor(1) as aside:  # both take a second, mostly outside Python
        encoder = aside.submit(load_encoder, settings.encoder, settings.encoder_dir, settings.encoder_threads)
        engine = current_engine(parts)
        parts.encoder = encoder.result()
    encoding = EncodingService(parts.encoder)
    current = {"answerer": build_answerer(parts, encoding, engine)}
    dialogue = (
        RasaClient(settings.rasa_url, settings.secret, settings.rasa_timeout_s) if settings.rasa_url else None
    )

    async def find_form(code: str) -> FormState | None:
        saved = await parts.database.read(lambda c: store.find_form(c, code, now()))
        return saved.state if saved else None

    assistant = Assistant(lambda: current["answerer"], dialogue, find_form=find_form)
    public = PublicData(lambda: current["answerer"].engine.snapshot, parts.taxonomy, parts.laws)
    service = Service(settings, parts.database, encoding, assistant, public, parts.city, dialogue)

    def renew(same_index: bool) -> None:
        engine = replace(current["answerer"].engine, snapshot=parts.snapshot()) if same_index else None
        current["answerer"] = build_answerer(parts, encoding, engine)
        compile_project(list(current["answerer"].engine.snapshot.scenarios.values()), settings.rasa_project_dir)

    if engine.search.bundle.snapshot != engine.snapshot.version:  # published while nothing ran
        ensure_index(parts)
        renew(same_index=False)
    service.renew = renew
    service.models = lambda: models_behind(current["answerer"].engine.search.bundle, settings.rasa_dir)
    return service


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    app.state.started = time.monotonic()
    await service.encoding.encode(["您好"])
    recovered = await service.recover()
    if recovered:
        log.warning("recovered_turns", count=recovered)
    tasks = [asyncio.create_task(work(service)) for work in (_watch_knowledge, _erase_old)]
    yield
    for task in tasks:
        task.cancel()
    await service.close()


async def _watch_knowledge(service: Service) -> None:
    """Another process published: its words are taken up at once, its index when the pointer moves to it."""
    pointer = service.settings.index_dir / "current"
    index, event = pointer.read_text(encoding="utf-8"), await service.database.read(newest_event)
    while True:
        await asyncio.sleep(2)
        try:
            fresh, newest = pointer.read_text(encoding="utf-8"), await service.database.read(newest_event)
            if (fresh, newest) != (index, event):
                await asyncio.to_thread(service.renew, fresh == index)
                index, event = fresh, newest
        except Exception as error:  # keep the generation that works
            log.error("refresh_failed", error=type(error).__name__)


async def _erase_old(service: Service) -> None:
    """What is kept for a time only is erased when the time is over."""
    while True:
        try:
            erased = await service.database.write(lambda c: store.erase_old(c, service.clock()))
            if erased:
                log.info("erased_conversations", count=erased)
        except Exception as error:  # the next round tries again
            log.error("erasing_failed", error=type(error).__name__)
        await asyncio.sleep(ERASE_EVERY_S)


def create_app(settings: Settings) -> FastAPI:
    from .gateway import api, health, internal, limits, problems
    from .gateway.pages import chat, desk, guides

    app = FastAPI(title="民答 Minda", version="0.1.0", lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.state.service = build_service(settings)
    problems.install(app)
    for router in (api.router, health.router, internal.router, chat.router, desk.router, guides.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "gateway" / "pages" / "static"))
    app.add_middleware(limits.BodyLimit, exempt=("/internal/", "/static/"))
    app.add_middleware(health.Headers)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
        )  # fmt: skip
    return app

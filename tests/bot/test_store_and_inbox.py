"""Written before acknowledged, once, in order; tickets with promises; on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from bot import staff, store
from bot.answer import Answer, Verdict, make_reply
from bot.database import Database
from bot.dialogue.form import FormState
from bot.errors import MessageConflict, Refused, StoreBusy, UnknownConversation, VersionConflict
from bot.inbox import desk
from bot.inbox.deadlines import add_working_days, is_working_day, promise
from bot.inbox.handoff import check_code, open_ticket
from bot.memory import Memory
from bot.migrations import downgrade, is_current, upgrade
from bot.tables import audit, feedback, guided_service, outbox, reply
from knowledge.store import import_content, live_revisions, load_live, withdraw
from tests.conftest import free_port
from tests.factories import ON, make_entry

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgresql():
    """A real server as an unprivileged user on a free loopback port."""
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not servers:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL server")
        pytest.skip("没有 PostgreSQL 服务器程序，跳过")
    folder, port = Path(tempfile.mkdtemp(prefix="minda-pg-")), free_port()
    become = []
    if os.geteuid() == 0:
        shutil.chown(folder, *(("postgres", "postgres") if _has_user("postgres") else ("nobody", "nogroup")))
        become = ["setpriv", "--reuid", folder.owner(), "--regid", folder.group(), "--clear-groups"]

    def run(program, *arguments):
        subprocess.run([*become, str(servers[0] / program), *arguments], check=True, cwd=folder, capture_output=True)

    run("initdb", "-D", str(folder / "data"), "-U", "minda", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run("pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")
    yield f"postgresql+psycopg://minda@127.0.0.1:{port}/postgres"
    run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def _has_user(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'minda.db'}" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    opened = Database(url)
    if request.param == "postgresql":
        with opened.engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    upgrade(opened.engine)
    yield opened
    opened.close()


def run(database, work):
    return database.submit(work).result(10)


@pytest.fixture
def conversation(database):
    return run(database, lambda c: store.open_conversation(c, "web", "zh-Hans", NOW))


def record(database, conversation, key="k1", digest="d", text="问题"):
    return run(database, lambda c: store.record_turn(c, conversation[0], key, digest=digest, text=text, choice=None, now=NOW))


def answer(text="答复"):
    return Answer(make_reply(Verdict.DECLINE_COURTESY, text, ON), {"step": "x"})


def finish(database, turn, *answers, memory=None):
    return run(
        database,
        lambda c: store.finish_turn(c, turn, list(answers), memory or Memory(), locale="zh-Hans", rotate=False, author=None, now=NOW),
    )


def test_the_schema_is_current_and_goes_down_and_up_again(database):
    assert is_current(database.engine)
    downgrade(database.engine, "base")
    assert not is_current(database.engine)
    upgrade(database.engine)
    assert is_current(database.engine)


def test_only_the_token_opens_a_conversation(database, conversation):
    assert database.read_now(lambda c: store.token_fits(c, *conversation))
    assert not database.read_now(lambda c: store.token_fits(c, conversation[0], "other"))
    with pytest.raises(UnknownConversation):
        database.read_now(lambda c: store.token_fits(c, "nothing", "x"))


def test_a_repeated_message_is_one_turn_with_one_outcome(database, conversation):
    first = record(database, conversation)
    assert record(database, conversation).id == first.id
    bodies = finish(database, first, answer())
    again = record(database, conversation)
    assert again.done
    assert finish(database, first, answer("另一个")) == bodies, "a turn is finished once"
    assert run(database, lambda c: c.execute(sa.select(sa.func.count()).select_from(reply)).scalar()) == 1
    with pytest.raises(MessageConflict):
        record(database, conversation, digest="other")


def test_every_reply_is_in_the_outbox_of_the_same_transaction(database, conversation):
    turn = record(database, conversation)

    def fails(c):
        store.finish_turn(c, turn, [answer()], Memory(), locale="zh-Hans", rotate=False, author=None, now=NOW)
        raise RuntimeError("crash before commit")

    with pytest.raises(RuntimeError):
        run(database, fails)
    for table in (reply, outbox):
        assert run(database, lambda c, t=table: c.execute(sa.select(sa.func.count()).select_from(t)).scalar()) == 0
    assert [t.id for t in database.read_now(store.unfinished_turns)] == [turn.id]
    bodies = finish(database, turn, answer())
    rows = database.read_now(lambda c: c.execute(sa.select(outbox.c.reply_id, outbox.c.state)).all())
    assert [tuple(r) for r in rows] == [(bodies[0]["id"], "new")]
    run(database, lambda c: store.mark_sent(c, [bodies[0]["id"]], NOW))
    assert database.read_now(lambda c: c.execute(sa.select(outbox.c.state)).scalar()) == "sent"
    assert database.read_now(store.unfinished_turns) == []


def test_one_failing_write_does_not_harm_its_neighbours(database, conversation):
    async def together():
        def bad(c):
            raise Refused("no")

        return await asyncio.gather(
            *(database.write(lambda c, n=n: store.record_turn(c, conversation[0], f"k{n}", digest="d", text="x", choice=None, now=NOW))
              for n in range(20)),
            database.write(bad), return_exceptions=True,
        )  # fmt: skip

    results = asyncio.run(together())
    assert isinstance(results[-1], Refused)
    assert len({t.id for t in results[:-1]}) == 20
    assert len(database.read_now(store.unfinished_turns)) == 20


def ticket(database, conversation, key="t1"):
    turn = record(database, conversation, key)
    return run(
        database,
        lambda c: open_ticket(c, conversation_id=conversation[0], turn_id=turn.id, question="问", reason="asked", area="A03",
                              urgent=False, working_days=5, now=NOW),
    )  # fmt: skip


def test_a_ticket_has_number_code_and_promise(database, conversation):
    first, second = ticket(database, conversation), ticket(database, conversation, "t2")
    assert (first.number, second.number) == ("MD20261124-0001", "MD20261124-0002")
    assert first.due_at.isoformat() == "2026-12-01T17:30:00+08:00"
    assert run(database, lambda c: check_code(c, first.number, first.code.lower(), NOW)) == "ok"
    assert [run(database, lambda c: check_code(c, first.number, "XXXXXX", NOW)) for _ in range(5)] == ["wrong"] * 4 + ["locked"]
    assert run(database, lambda c: check_code(c, first.number, first.code, NOW)) == "locked"
    later = NOW + timedelta(minutes=16)
    assert run(database, lambda c: check_code(c, first.number, first.code, later)) == "ok"


def test_the_way_of_a_ticket(database, conversation):
    number = ticket(database, conversation).number
    run(database, lambda c: desk.claim(c, number, 1, "王敏", NOW))
    with pytest.raises(VersionConflict):
        run(database, lambda c: desk.claim(c, number, 1, "李强", NOW))
    with pytest.raises(Refused, match="办理中"):
        run(database, lambda c: desk.claim(c, number, 2, "李强", NOW))
    with pytest.raises(Refused, match="还没有答复"):
        run(database, lambda c: desk.close(c, number, 2, "王敏", "answered", NOW))
    with pytest.raises(Refused):
        run(database, lambda c: desk.answer_ticket(c, number, 2, "王敏", "  ", NOW))
    run(database, lambda c: desk.answer_ticket(c, number, 2, "王敏", "答复", NOW))
    run(database, lambda c: desk.add_note(c, number, 3, "王敏", "备注", NOW))
    with pytest.raises(Refused, match="办理结果"):
        run(database, lambda c: desk.close(c, number, 4, "王敏", "whatever", NOW))
    run(database, lambda c: desk.close(c, number, 4, "王敏", "answered", NOW))
    events = database.read_now(lambda c: [e.what for e in desk.events_of(c, number)])
    assert events == ["opened", "claimed", "replied", "noted", "closed"]
    assert database.read_now(lambda c: store.later_replies(c, conversation[0], 0))[0][1]["author"] == "王敏"
    with pytest.raises(Refused, match="已办结"):
        run(database, lambda c: desk.add_note(c, number, 5, "王敏", "备注", NOW))


def test_the_audit_chain_shows_a_changed_row_and_rows_cannot_be_changed(database):
    for n in range(3):
        run(database, lambda c, n=n: store.record_audit(c, "王敏", "what", f"about {n}", NOW))
    assert database.read_now(store.audit_chain_fault) is None
    with pytest.raises((DatabaseError, OperationalError, StoreBusy)):
        run(database, lambda c: c.execute(audit.update().values(who="别人")))
    with pytest.raises((DatabaseError, OperationalError, StoreBusy)):
        run(database, lambda c: c.execute(audit.delete()))
    assert database.read_now(store.audit_chain_fault) is None


def test_revisions_are_immutable_and_publication_moves_a_pointer(database):
    old, new = make_entry(), make_entry(answer="新的答复。")
    run(database, lambda c: import_content(c, [old], who="t", now=NOW))
    first = database.read_now(load_live)[0].revision_id
    counts = run(database, lambda c: import_content(c, [new], who="t", now=NOW))
    assert (counts.published, counts.unchanged, counts.withdrawn) == (1, 0, 0)
    second = database.read_now(load_live)[0]
    assert second.item.answer == "新的答复。"
    assert first not in database.read_now(live_revisions)
    counts = run(database, lambda c: import_content(c, [old], who="t", now=NOW))
    assert database.read_now(load_live)[0].revision_id == first, "the old revision is live again, not a copy"
    run(database, lambda c: withdraw(c, ("entry", old.id), who="t", now=NOW))
    assert database.read_now(load_live) == []
    with pytest.raises((DatabaseError, OperationalError, StoreBusy)):
        run(database, lambda c: c.exec_driver_sql("UPDATE revision SET body = '{}'"))


def test_staff_have_strong_passwords_sessions_and_locks(database):
    add = lambda name, password, roles: run(database, lambda c: staff.add_staff(c, name, password, roles, NOW))  # noqa: E731
    for bad in ("short1A!", "alllowercase", "12345678901"):
        with pytest.raises(Refused, match="密码"):
            add("王敏", bad, ["officer"])
    with pytest.raises(Refused, match="角色"):
        add("王敏", "Good-Pass-1", ["king"])
    add("王敏", "Good-Pass-1", ["officer"])
    with pytest.raises(Refused, match="已经有了"):
        add("王敏", "Good-Pass-1", ["officer"])
    fits = lambda name, password: database.read_now(lambda c: staff.password_fits(c, name, password))  # noqa: E731
    assert fits("王敏", "Good-Pass-1")
    assert not fits("王敏", "good-pass-1")
    assert not fits("没有", "Good-Pass-1")
    session = run(database, lambda c: staff.sign_in(c, "王敏", True, NOW))
    officer = database.read_now(lambda c: staff.find_officer(c, session, NOW + timedelta(minutes=29)))
    assert officer.name == "王敏"
    assert database.read_now(lambda c: staff.find_officer(c, session, NOW + timedelta(minutes=31))) is None
    run(database, lambda c: staff.sign_out(c, session))
    assert database.read_now(lambda c: staff.find_officer(c, session, NOW)) is None
    assert [run(database, lambda c: staff.sign_in(c, "王敏", False, NOW)) for _ in range(5)] == [None] * 5
    with pytest.raises(Refused, match="锁定"):
        run(database, lambda c: staff.sign_in(c, "王敏", True, NOW))


def test_old_conversations_are_erased_but_not_those_with_a_ticket(database, conversation):
    other = run(database, lambda c: store.open_conversation(c, "web", "zh-Hans", NOW))
    finish(database, record(database, other), answer())
    ticket(database, conversation)
    assert run(database, lambda c: store.erase_old(c, NOW + timedelta(days=181))) == 1
    with pytest.raises(UnknownConversation):
        database.read_now(lambda c: store.get_conversation(c, other[0]))
    assert database.read_now(lambda c: store.get_conversation(c, conversation[0])).id == conversation[0]


def test_sqlite_is_durable_by_its_settings(tmp_path):
    opened = Database(f"sqlite:///{tmp_path / 'x.db'}")
    pragma = lambda name: opened.read_now(lambda c: c.exec_driver_sql(f"PRAGMA {name}").scalar())  # noqa: E731
    assert (pragma("journal_mode"), pragma("synchronous"), pragma("foreign_keys")) == ("wal", 2, 1)
    opened.close()


def test_a_locked_database_refuses_instead_of_acknowledging(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.database.BUSY_TIMEOUT_MS", 200)
    url = f"sqlite:///{tmp_path / 'x.db'}"
    opened = Database(url)
    upgrade(opened.engine)
    blocker = sa.create_engine(url).connect()
    blocker.exec_driver_sql("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        run(opened, lambda c: store.open_conversation(c, "web", "zh-Hans", NOW))
    blocker.rollback()
    blocker.close()
    assert run(opened, lambda c: store.open_conversation(c, "web", "zh-Hans", NOW))
    opened.close()


def test_working_days_agree_with_the_reference_on_every_day():
    import chinese_calendar

    day = date(2020, 1, 1)
    while day < date(2027, 1, 1):
        assert is_working_day(day) == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


def test_a_promise_over_the_known_years_is_flagged():
    assert add_working_days(date(2026, 9, 30), 1) == (date(2026, 10, 8), False)
    assert add_working_days(date(2026, 12, 30), 3)[1] is True
    due, estimated = promise(datetime(2026, 11, 24, 16, 30, tzinfo=UTC), 1)
    assert due.isoformat() == "2026-11-26T17:30:00+08:00", "00:30 in Shanghai is already the next day"
    assert not estimated


def test_a_guided_service_is_kept_for_thirty_days_under_a_code_that_is_not_stored(database):
    first = FormState(scenario="marriage", answers={"matter": "marry"}, trail=("matter",), asked="residents")
    run(database, lambda c: store.save_form(c, "ABCDEFGHJK", first, NOW))
    assert run(database, lambda c: store.find_form(c, "ABCDEFGHJK", NOW)).state == first
    assert run(database, lambda c: store.find_form(c, "ABCDEFGHJX", NOW)) is None
    later = first.model_copy(update={"answers": {"matter": "divorce"}})
    run(database, lambda c: store.save_form(c, "ABCDEFGHJK", later, NOW + timedelta(days=10)))
    found = run(database, lambda c: store.find_form(c, "ABCDEFGHJK", NOW + timedelta(days=39)))
    assert found.state == later
    assert (found.expires_at - found.created_at).days == 40
    assert run(database, lambda c: store.find_form(c, "ABCDEFGHJK", NOW + timedelta(days=41))) is None
    rows = run(database, lambda c: c.execute(sa.select(guided_service)).all())
    assert len(rows) == 1
    assert "ABCDEFGHJK" not in str(rows)
    run(database, lambda c: store.erase_old(c, NOW + timedelta(days=41)))
    assert run(database, lambda c: c.execute(sa.select(sa.func.count()).select_from(guided_service)).scalar()) == 0


def test_an_opinion_in_the_conversation_is_kept_with_its_reason(database, conversation):
    body = finish(database, record(database, conversation), answer())[0]
    assert run(database, lambda c: store.record_feedback(c, body["id"], False, "没说去哪办", NOW))
    assert not run(database, lambda c: store.record_feedback(c, "none", False, None, NOW))
    row = run(database, lambda c: c.execute(sa.select(feedback)).one())
    assert (row.useful, row.comment) == (False, "没说去哪办")

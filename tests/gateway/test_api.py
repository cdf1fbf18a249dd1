"""The public API as contract.md promises it, against a real gateway."""

from __future__ import annotations

import json
import re

import httpx2
import pytest

REPLY_FIELDS = {
    "id", "kind", "text", "choices", "area", "service", "entry_id", "department", "citations", "confidence", "band",
    "ticket", "link", "verdict", "revisions", "snapshot", "as_of",
}  # fmt: skip


def ask(server, text, **more):
    return httpx2.post(f"{server.url}/api/v1/ask", json={"text": text, **more}, timeout=20, trust_env=False)


def test_a_question_gets_the_reviewed_answer_with_its_legal_basis(shared_server):
    reply = ask(shared_server, "结婚登记要带户口本吗").json()
    assert set(reply) == REPLY_FIELDS
    assert reply["kind"] == "answer"
    assert reply["entry_id"] == "marriage-booklet"
    assert reply["text"].startswith("不用带户口簿。")
    assert reply["citations"] == [
        {"title": "婚姻登记条例", "document_number": "国务院令第804号", "article": "第八条", "effective_from": "2025-05-10"}
    ]
    assert "2025年5月10日起施行" in reply["text"]
    assert len(reply["revisions"]) == 1


def test_the_same_question_gets_the_same_words_but_another_id(shared_server):
    first, second = (ask(shared_server, "离婚冷静期多久").json() for _ in range(2))
    assert first["text"] == second["text"]
    assert first["id"] != second["id"]


def test_another_departments_matter_is_redirected_by_name(shared_server):
    reply = ask(shared_server, "落户要什么").json()
    assert (reply["kind"], reply["department"]) == ("redirect", "公安机关")


def test_urgent_help_comes_first(shared_server):
    reply = ask(shared_server, "我真的不想活了").json()
    assert reply["kind"] == "crisis"
    assert "12356" in reply["text"][:60]


def test_an_amount_is_shown_as_of_the_day_asked(shared_server):
    then = ask(shared_server, "低保标准是多少", as_of="2026-01-15").json()
    later = ask(shared_server, "低保标准是多少", as_of="2026-08-15").json()
    assert "800元" in then["text"] or then["kind"] != "answer"
    assert "840元" in later["text"]
    assert "示例数据" in later["text"]


def test_nothing_answers_before_its_law_is_in_force(shared_server):
    reply = ask(shared_server, "低保标准是多少", as_of="2026-01-15").json()
    assert reply["entry_id"] != "low-income-standard", "社会救助法 is in force from 2026-07-01"


def test_a_greeting_is_answered_without_a_search(shared_server):
    assert ask(shared_server, "您好").json()["verdict"] == "decline_courtesy"


def test_a_traditional_chinese_question_is_understood(shared_server):
    reply = ask(shared_server, "結婚登記要帶戶口簿嗎").json()
    assert reply["entry_id"] == "marriage-booklet"
    assert reply["text"].startswith("（以下審核過的答覆為簡體中文。）")


def test_a_message_repeated_with_the_same_id_gets_the_same_replies(talk):
    first = talk.post(text="结婚证丢了怎么办", client_msg_id="same").json()
    again = talk.post(text="结婚证丢了怎么办", client_msg_id="same").json()
    assert first == again


def test_the_same_id_with_another_body_is_a_conflict(talk):
    talk.post(text="结婚证丢了怎么办", client_msg_id="same")
    answer = talk.post(text="别的问题", client_msg_id="same")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_token_reads_nothing(talk):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}, {"Authorization": "Bearer ü"}):
        raw = {k: v.encode("latin-1") for k, v in headers.items()}
        for answer in (
            talk.http.post(f"/api/v1/conversations/{talk.id}/messages", json={"text": "x", "client_msg_id": "1"}, headers=raw),
            talk.http.get(f"/api/v1/conversations/{talk.id}/events", headers=raw),
        ):
            assert answer.status_code == 401


def test_an_unknown_conversation_is_not_found(talk):
    answer = talk.http.post(
        "/api/v1/conversations/nothing/messages", json={"text": "x", "client_msg_id": "1"}, headers=talk.headers
    )
    assert answer.status_code == 404


def test_a_choice_that_was_not_offered_is_refused(talk):
    assert talk.post(choice_id="entry:anything").status_code == 422


def test_what_nobody_knows_is_offered_to_a_person_and_handed_over(talk):
    offered = talk.say("格陵兰驯鹿养殖场换瓦片的尺寸谁定")[0]
    assert offered["kind"] != "answer"
    assert "person" in [c["id"] for c in offered["choices"]]
    asked = talk.say("转人工")[0]
    assert [c["id"] for c in asked["choices"]] == ["person", "no"]
    receipt = talk.choose("person")[0]
    assert receipt["verdict"] == "handoff_ticket"
    assert re.fullmatch(r"MD\d{8}-\d{4}", receipt["ticket"]["number"])
    assert receipt["ticket"]["number"] in receipt["text"]
    seen = talk.http.get(f"/api/v1/tickets/{receipt['ticket']['number']}", params={"code": receipt["ticket"]["code"]}).json()
    assert seen["state"] == "open"
    assert seen["due_at"] == receipt["ticket"]["due_at"]
    assert seen["replies"] == []


def test_a_ticket_needs_its_code_and_locks_after_wrong_ones(talk):
    talk.say("转人工")
    receipt = talk.choose("person")[0]["ticket"]
    path = f"/api/v1/tickets/{receipt['number']}"
    assert [talk.http.get(path, params={"code": "WRONG2"}).status_code for _ in range(4)] == [404] * 4
    assert talk.http.get(path, params={"code": "WRONG2"}).status_code == 429
    assert talk.http.get(path, params={"code": receipt["code"]}).status_code == 429
    assert talk.http.get("/api/v1/tickets/MD20200101-0001", params={"code": "X"}).status_code == 404


def test_feedback_is_recorded_for_a_known_reply(talk):
    reply = talk.say("离婚冷静期多久")[0]
    assert talk.http.post("/api/v1/feedback", json={"reply_id": reply["id"], "useful": True}).status_code == 201
    assert talk.http.post("/api/v1/feedback", json={"reply_id": "none", "useful": True}).status_code == 404


def test_the_guides_are_data(shared_server):
    get = lambda path: httpx2.get(f"{shared_server.url}/api/v1{path}", trust_env=False)  # noqa: E731
    assert [a["code"] for a in get("/areas").json()] == [f"A{n:02}" for n in range(1, 20)]
    assert [s["code"] for s in get("/services").json()] == [f"S{n:02}" for n in range(1, 21)]
    assert get("/services/S06").json()["guides"][0]["materials"][0]["name"] == "本人居民身份证"
    assert get("/services/S99").status_code == 404
    assert len(get("/scenarios").json()) == 6


def test_health_says_degraded_without_rasa_and_metrics_name_no_text(shared_server):
    ready = httpx2.get(f"{shared_server.url}/readyz", trust_env=False)
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert httpx2.get(f"{shared_server.url}/livez", trust_env=False).json() == {"status": "ok"}
    metrics = httpx2.get(f"{shared_server.url}/metrics", trust_env=False).text
    assert "minda_http_request_seconds" in metrics
    assert "结婚" not in metrics


def test_every_response_carries_the_security_headers(shared_server):
    for path in ("/chat", "/api/v1/areas", "/nothing", "/static/minda.css", "/desk/login"):
        headers = httpx2.get(f"{shared_server.url}{path}", trust_env=False).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


GOOD = json.dumps({"text": "结婚登记要带户口本吗"}).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422), (b"{}", 422), (b"[1]", 422), (b'"x"', 422), (b"null", 422), (b"{", 422), (b'{"text":1}', 422),
        (b'{"text":""}', 422), (b'{"text":"  \\u3000 "}', 422), (b'{"text":"a\\u0000b"}', 422), (b'{"text":"\\ud800"}', 422),
        (b'{"text":"x","extra":1}', 422), (b'{"text":"x","as_of":"tomorrow"}', 422), (b'{"text":"\xff\xfe"}', 400),
        (json.dumps({"text": "长" * 301}).encode(), 422), (b'{"text":"' + b"a" * 1_000_000 + b'"}', 413),
        (b"[" * 5000, 400),
    ],
)  # fmt: skip
def test_bad_input_is_a_clear_problem_and_the_next_question_is_answered(shared_server, body, status):
    headers = {"Content-Type": "application/json"}
    answer = httpx2.post(f"{shared_server.url}/api/v1/ask", content=body, headers=headers, timeout=20, trust_env=False)
    assert answer.status_code == status
    problem = answer.json()
    assert problem["status"] == status
    assert re.search(r"[\u4e00-\u9fff]", problem["detail"])
    assert "Traceback" not in answer.text
    again = httpx2.post(f"{shared_server.url}/api/v1/ask", content=GOOD, headers=headers, timeout=20, trust_env=False)
    assert again.status_code == 200


@pytest.mark.parametrize("text", ["/restart", "　/inform{\"a\":1}", "\u200b/greet", "\ufeff/x@1.0{}", "／restart", "\U000e0001/x", "???", "😀" * 60])
def test_odd_texts_get_a_reply_and_change_no_state(talk, text):
    replies = talk.say(text)
    assert len(replies) == 1
    assert replies[0]["kind"] != "failed"
    assert talk.say("离婚冷静期多久")[0]["entry_id"] == "marriage-cooling"


def test_personal_data_are_masked_before_they_are_stored(server):
    from tests.conftest import Talk

    talk = Talk(server.url)
    talk.say("我身份证11010519491231002X，手机13800138000，结婚登记要带户口本吗")
    talk.http.close()
    server.stop()
    stored = b"".join(p.read_bytes() for p in server.data.glob("minda.db*"))
    assert b"11010519491231002X" not in stored
    assert b"13800138000" not in stored
    assert "11010519491231002X" not in server.log.read_text()


def test_floods_are_slowed_down(data):
    from tests.conftest import Server, Talk

    limited = Server(data, MINDA_MESSAGES_PER_MINUTE="3").start()
    try:
        talk = Talk(limited.url)
        assert [talk.post(text="你好").status_code for _ in range(4)] == [200, 200, 200, 429]
    finally:
        limited.stop()

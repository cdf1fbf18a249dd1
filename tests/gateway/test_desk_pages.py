"""The staff desk over plain forms, and the way of an officer's answer to the citizen."""

from __future__ import annotations

import re
import threading

import httpx2
import pytest

from tests.conftest import PASSWORD, Talk, run_minda


def field(html: str, name: str) -> str:
    return re.search(rf'name="{name}" value="([^"]*)"', html).group(1)


@pytest.fixture
def desk(server):
    http = httpx2.Client(base_url=server.url, follow_redirects=True, timeout=20, trust_env=False)
    page = http.get("/desk/login")
    page = http.post("/desk/login", data={"csrf": field(page.text, "csrf"), "name": "王敏", "password": PASSWORD})
    assert "受理件" in page.text
    yield http
    http.close()


def hand_over(server) -> tuple[Talk, dict]:
    talk = Talk(server.url)
    talk.say("村里办事的表去哪里拿这个月能办完吗")
    talk.say("转人工")
    return talk, talk.choose("person")[0]["ticket"]


def act(desk, number, verb, **data):
    page = desk.get(f"/desk/tickets/{number}").text
    values = {"csrf": field(page, "csrf"), "version": field(page, "version"), **data}
    return desk.post(f"/desk/tickets/{number}/{verb}", data=values)


def test_an_officers_answer_reaches_the_open_page_and_the_receipt(server, desk):
    talk, receipt = hand_over(server)
    heard: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        with talk.http.stream("GET", f"/api/v1/conversations/{talk.id}/events", headers=talk.headers) as stream:
            for line in stream.iter_lines():
                ready.set()
                heard.append(line)
                if line.startswith("data:"):
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    assert ready.wait(10)
    assert "村里办事的表" in desk.get(f"/desk/tickets/{receipt['number']}").text
    act(desk, receipt["number"], "claim")
    assert talk.say("我再补充一句") == [], "the bot is silent while an officer has the conversation"
    page = act(desk, receipt["number"], "reply", text="表在村委会拿，当天能办。")
    assert "答复已发给群众" in page.text
    assert "我再补充一句" in page.text
    listener.join(15)
    data = next(line for line in heard if line.startswith("data:"))
    assert "表在村委会拿" in data
    assert "王敏" in data
    seen = talk.http.get(f"/api/v1/tickets/{receipt['number']}", params={"code": receipt["code"]}).json()
    assert seen["state"] == "answered"
    assert [r["text"] for r in seen["replies"]] == ["表在村委会拿，当天能办。"]
    act(desk, receipt["number"], "close", outcome="answered")
    assert talk.say("离婚冷静期多久")[0]["entry_id"] == "marriage-cooling", "closed: the bot answers again"


def test_a_stream_that_was_cut_goes_on_after_the_last_event(server, desk):
    talk, receipt = hand_over(server)
    act(desk, receipt["number"], "reply", text="第一条答复")
    act(desk, receipt["number"], "reply", text="第二条答复")

    def first_event(last: str) -> tuple[str, str]:
        headers = {**talk.headers, "Last-Event-ID": last}
        with talk.http.stream("GET", f"/api/v1/conversations/{talk.id}/events", headers=headers) as stream:
            number = ""
            for line in stream.iter_lines():
                if line.startswith("id:"):
                    number = line.removeprefix("id: ")
                if line.startswith("data:"):
                    return number, line
        raise AssertionError

    number, line = first_event("0")
    assert "第一条答复" in line
    assert "第二条答复" in first_event(number)[1]


def test_two_officers_answer_at_once_and_only_one_answer_leaves(server, desk):
    talk, receipt = hand_over(server)
    page = desk.get(f"/desk/tickets/{receipt['number']}").text
    values = {"csrf": field(page, "csrf"), "version": field(page, "version")}
    first = desk.post(f"/desk/tickets/{receipt['number']}/reply", data={**values, "text": "甲的答复"})
    second = desk.post(f"/desk/tickets/{receipt['number']}/reply", data={**values, "text": "乙的答复"})
    assert first.status_code == 200
    assert second.status_code == 409
    assert "别人刚刚处理过" in second.text
    assert "乙的答复" in second.text, "the draft is not lost"
    seen = talk.http.get(f"/api/v1/tickets/{receipt['number']}", params={"code": receipt["code"]}).json()
    assert [r["text"] for r in seen["replies"]] == ["甲的答复"]


def test_nothing_is_closed_as_answered_without_an_answer(server, desk):
    _, receipt = hand_over(server)
    page = act(desk, receipt["number"], "close", outcome="answered")
    assert page.status_code == 422
    assert "还没有答复群众" in page.text


def test_every_unsafe_route_of_the_desk_needs_session_and_token(server, desk):
    _, receipt = hand_over(server)
    for verb in ("claim", "reply", "note", "close"):
        path = f"/desk/tickets/{receipt['number']}/{verb}"
        data = {"version": "1", "text": "x", "outcome": "answered", "csrf": "forged"}
        assert desk.post(path, data=data).status_code == 403
        stranger = httpx2.post(f"{server.url}{path}", data=data, trust_env=False)
        assert stranger.status_code == 303
        assert stranger.headers["location"] == "/desk/login"
    assert httpx2.get(f"{server.url}/desk", trust_env=False).headers["location"] == "/desk/login"


def test_an_account_is_locked_after_five_wrong_passwords(server):
    http = httpx2.Client(base_url=server.url, timeout=20, trust_env=False)
    csrf = field(http.get("/desk/login").text, "csrf")
    sign_in = lambda password: http.post("/desk/login", data={"csrf": csrf, "name": "王敏", "password": password})  # noqa: E731
    for _ in range(5):
        assert sign_in("wrong").status_code == 403
    assert "锁定" in sign_in(PASSWORD).text
    http.close()


def test_the_chat_page_works_without_scripts(server):
    http = httpx2.Client(base_url=server.url, follow_redirects=True, timeout=20, trust_env=False)
    page = http.post("/chat", data={"client_msg_id": "1", "text": "结婚登记要带户口本吗"})
    assert "不用带户口簿" in page.text
    page = http.post("/chat", data={"client_msg_id": "2", "choice_id": "person"})
    assert "受理号" in page.text
    assert http.post("/chat", data={"client_msg_id": "3", "text": "   "}).status_code == 422
    assert http.post("/chat", data={"client_msg_id": "4", "text": "x"}, headers={"Origin": "https://evil.example"}).status_code == 403
    http.close()


@pytest.mark.parametrize("path", ["/", "/chat", "/areas", "/areas/A03", "/guides", "/guides/S06", "/ticket", "/search?q=离婚冷静期", "/sitemap.xml"])
def test_public_pages_are_there_and_say_that_the_data_are_examples(shared_server, path):
    answer = httpx2.get(f"{shared_server.url}{path}", timeout=20, trust_env=False)
    assert answer.status_code == 200
    assert path == "/sitemap.xml" or "示例数据" in answer.text


def test_what_a_citizen_writes_is_never_markup(server):
    http = httpx2.Client(base_url=server.url, follow_redirects=True, timeout=20, trust_env=False)
    page = http.post("/chat", data={"client_msg_id": "1", "text": "<script>alert(1)</script><img src=x onerror=alert(2)>"})
    assert "<script>alert(1)" not in page.text
    assert "&lt;script&gt;" in page.text
    http.close()


def test_staff_see_how_a_reply_came_about_and_nobody_else_does(server, desk):
    talk = Talk(server.url)
    answered = talk.say("离婚冷静期多久")[0]
    talk.say("转人工")
    number = talk.choose("person")[0]["ticket"]["number"]
    other = hand_over(server)[1]["number"]
    path = f"/desk/tickets/{number}/replies/{answered['id']}"
    assert path in desk.get(f"/desk/tickets/{number}").text
    page = desk.get(path)
    for shown in ("marriage-cooling", answered["snapshot"], answered["revisions"][0], "排序器", "编码器", "用时"):
        assert shown in page.text, shown
    told = run_minda(server.data, "explain", answered["id"])
    for shown in ("候选", "marriage-cooling", "都不是", "索引", "检索和排序"):
        assert shown in told.stdout, shown
    assert '"trace"' in run_minda(server.data, "explain", answered["id"], "--json").stdout
    assert desk.get(path.replace(number, other)).status_code == 404, "a reply of another conversation"
    assert httpx2.get(server.url + path, trust_env=False).headers["location"] == "/desk/login"

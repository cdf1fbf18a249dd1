"""The newcomer's way in a real Chromium: ask, hand over, answer at the desk, see it on the open page."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import PASSWORD, ROOT, Server, copy_data, free_port

pytestmark = pytest.mark.browser
SHOTS = ROOT / "build" / "screenshots"


@pytest.fixture(scope="module")
def chromium():
    path = next((p for p in (shutil.which(n) for n in ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium")
        pytest.skip("没有 Chromium，跳过浏览器测试")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def gateway(small_data, tmp_path_factory):
    SHOTS.mkdir(parents=True, exist_ok=True)
    port = free_port()
    data = copy_data(small_data, tmp_path_factory.mktemp("browser") / "data")
    server = Server(data, MINDA_CORS_ORIGINS=f'["http://127.0.0.1:{port}"]').start()
    server.host_port = port
    yield server
    server.stop()


@pytest.fixture
def page(chromium, gateway):
    context = chromium.new_context(base_url=gateway.url, locale="zh-CN", viewport={"width": 1100, "height": 800})
    opened = context.new_page()
    opened.problems = []
    opened.on("console", lambda m: opened.problems.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda e: opened.problems.append(str(e)))
    yield opened
    context.close()


def violations(page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    return [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in Axe().run(page).response["violations"]]


def ask(page, text):
    page.get_by_label("您的问题").fill(text)
    page.get_by_role("button", name="发送").click()


def test_a_newcomer_asks_is_handed_over_and_sees_the_officers_answer(page, chromium, gateway):
    page.goto("/chat")
    ask(page, "结婚登记要带户口本吗")
    page.get_by_text("不用带户口簿").wait_for()
    assert page.get_by_text("国务院令第804号").count()
    page.screenshot(path=SHOTS / "chat.png", full_page=True)
    ask(page, "村口那块地能不能建个停车场")
    page.locator(".msg.bot").nth(2).wait_for()
    page.get_by_role("button", name="转人工").click()
    page.get_by_text("已转给工作人员").wait_for()
    receipt = page.locator(".msg.bot .text").last.inner_text()
    number, code = re.search(r"受理号：(\S+?)，查询码：(\w+)", receipt).groups()

    desk = chromium.new_context(base_url=gateway.url, locale="zh-CN").new_page()
    desk.goto("/desk")
    desk.get_by_label("账号").fill("王敏")
    desk.get_by_label("密码").fill(PASSWORD)
    desk.get_by_role("button", name="登录").click()
    desk.get_by_role("link", name=number).wait_for()
    assert violations(desk) == []
    desk.screenshot(path=SHOTS / "desk-list.png", full_page=True)
    desk.get_by_role("link", name=number).click()
    assert desk.get_by_text("停车场").count()
    desk.get_by_label("答复群众").fill("这块地的规划要问自然资源部门，电话 12345 转接。")
    desk.get_by_role("button", name="发送答复").click()
    desk.get_by_text("答复已发给群众").wait_for()
    assert violations(desk) == []
    desk.screenshot(path=SHOTS / "desk-ticket.png", full_page=True)

    page.get_by_text("这块地的规划要问自然资源部门").wait_for(timeout=10_000)
    page.screenshot(path=SHOTS / "chat-officer.png", full_page=True)
    page.goto("/ticket")
    page.get_by_label("受理号").fill(number)
    page.get_by_label("查询码").fill(code)
    page.get_by_role("button", name="查询").click()
    page.get_by_text("这块地的规划要问自然资源部门").wait_for()
    assert violations(page) == []
    assert page.problems == []
    desk.context.close()


@pytest.mark.parametrize("path", ["/", "/chat", "/areas/A03", "/guides", "/guides/S06", "/ticket", "/search?q=离婚冷静期", "/desk/login"])
@pytest.mark.parametrize("elder", ["0", "1"])
def test_every_page_passes_axe_in_both_modes(page, path, elder):
    page.goto(f"{path}{'&' if '?' in path else '?'}elder={elder}")
    assert violations(page) == []
    assert page.problems == []


def test_the_elder_mode_has_large_text_and_large_targets(page):
    page.goto("/chat?elder=1")
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 24
    heights = page.eval_on_selector_all("button", "all => all.filter(b => b.offsetParent).map(b => b.getBoundingClientRect().height)")
    assert min(heights) >= 60
    page.screenshot(path=SHOTS / "chat-elder.png", full_page=True)


def test_the_page_works_on_a_phone_and_at_400_percent(chromium, gateway):
    context = chromium.new_context(base_url=gateway.url, viewport={"width": 320, "height": 640}, is_mobile=True)
    page = context.new_page()
    for path in ("/chat", "/guides/S06", "/areas/A03"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    page.goto("/chat")
    page.screenshot(path=SHOTS / "chat-phone.png", full_page=True)
    context.close()


def test_the_chat_page_works_without_javascript(chromium, gateway):
    context = chromium.new_context(base_url=gateway.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/chat")
    ask(page, "离婚冷静期多久")
    page.get_by_text("冷静期是30日").wait_for()
    page.get_by_role("button", name="转人工").click()
    page.get_by_text("查询码").wait_for()
    page.screenshot(path=SHOTS / "chat-no-script.png", full_page=True)
    context.close()


def test_the_keyboard_is_enough(page):
    page.goto("/chat")
    page.get_by_label("您的问题").focus()
    page.keyboard.type("结婚证丢了怎么办")
    page.keyboard.press("Enter")
    page.get_by_text("带身份证到任何一个婚姻登记处补领").wait_for()
    assert page.evaluate("document.activeElement.id") == "text"


def test_what_is_asked_is_never_run_as_markup(page):
    page.goto("/chat")
    dialogs = []
    page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    ask(page, '<img src=x onerror=alert(1)><script>alert(2)</script>"><svg onload=alert(3)>')
    page.locator(".msg.bot").nth(1).wait_for()
    page.reload()
    assert dialogs == []
    assert page.locator(".msg.me img, .msg.me script").count() == 0


def test_the_widget_lives_in_a_strict_host_page(chromium, gateway, tmp_path: Path):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    html = f'<!doctype html><html lang="zh"><title>宿主</title><main><h1>局网站</h1></main><script defer src="{gateway.url}/widget.js"></script>'
    policy = f"default-src 'none'; script-src {gateway.url}; connect-src {gateway.url}; require-trusted-types-for 'script'"

    class Host(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", policy)
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *arguments):
            pass

    host = ThreadingHTTPServer(("127.0.0.1", gateway.host_port), Host)
    Thread(target=host.serve_forever, daemon=True).start()
    page = chromium.new_context(viewport={"width": 900, "height": 760}).new_page()
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" and "favicon" not in m.text else None)
    page.goto(f"http://127.0.0.1:{gateway.host_port}/")
    page.get_by_role("button", name="民政问答").click()
    page.get_by_label("您的问题").fill("结婚登记要带户口本吗")
    page.keyboard.press("Enter")
    page.get_by_text("不用带户口簿").wait_for()
    page.screenshot(path=SHOTS / "widget.png")
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="民政问答").is_visible()
    assert [p for p in problems if "favicon" not in p] == []
    host.shutdown()
    host.server_close()


def test_the_widget_is_small():
    import gzip

    script = ROOT / "bot/gateway/pages/static/widget.js"
    assert len(gzip.compress(script.read_bytes())) <= 15 * 1024

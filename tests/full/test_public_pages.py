"""The public pages over the whole knowledge, as a browser without scripts sees them."""

from __future__ import annotations

import html
import io
import re
from datetime import datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import httpx2
import pytest
from docx import Document

from knowledge.content import ScenarioQuestion
from knowledge.loading import load_content
from knowledge.scenarios import walk
from knowledge.taxonomy import load_taxonomy


@pytest.fixture(scope="module")
def http(site):
    with httpx2.Client(base_url=site.url, timeout=30, trust_env=False) as client:
        yield client


def test_every_address_of_the_sitemap_opens(http):
    addresses = re.findall(r"<loc>[^<]*?://[^/]+([^<]*)</loc>", http.get("/sitemap.xml").text)
    assert len(addresses) >= 19 + 36 + 6
    for address in addresses:
        answer = http.get(address)
        assert answer.status_code == 200, address
        assert "项本地数据还没有配置" in answer.text, f"{address} does not say which parameters are unset"


def test_every_area_has_entries_with_basis_date_and_a_way_to_ask(http):
    for area in load_taxonomy().areas:
        text = http.get(f"/areas/{area.code}").text
        assert text.count('<section class="card"') >= 10, area.code
        assert "起施行" in text
        assert "最近一次审核发布" in text
        assert "/chat?q=" in text


def test_every_service_has_a_guide(http):
    text = http.get("/guides").text
    assert "指南正在编写" not in text
    assert text.count('href="/guides/') >= 36


def test_a_guide_downloads_as_a_word_file_with_its_materials(http):
    answer = http.get("/guides/S10.docx")
    assert answer.headers["content-type"].startswith("application/vnd.openxmlformats")
    document = Document(io.BytesIO(answer.content))
    assert document.paragraphs[0].text == "收养登记办事指南"
    cells = [row.cells[0].text for row in document.tables[0].rows]
    assert cells[0] == "材料"
    assert "收养申请书" in cells
    assert http.get("/guides/none.docx").status_code == 404


def test_a_guided_service_is_walked_with_plain_forms(http):
    page = http.get("/scenarios/marriage?matter=marry&residents=mainland&age=both&single=yes").text
    assert "第 5 问" in page
    assert 'name="matter" value="marry"' in page
    result = http.get("/scenarios/marriage?matter=marry&residents=mainland&age=both&single=yes&kin=no").text
    assert "可以办结婚登记" in result
    assert "本人居民身份证" in result
    assert "不用户口簿" in result


@pytest.mark.parametrize("query", ["matter=nothing", "age=both", "matter=marry&matter=divorce&%00=1", "a" * 3000])
def test_an_odd_address_of_a_guided_service_asks_again(http, query):
    answer = http.get(f"/scenarios/marriage?{query}")
    assert answer.status_code == 200
    assert "问：" in answer.text


def test_an_unknown_guided_service_is_not_found(http):
    assert http.get("/scenarios/none").status_code == 404


def test_every_state_of_every_guided_service_has_a_page(http):
    for scenario in load_content().scenarios.values():
        seen: set[str] = set()
        for answers, step in walk(scenario):
            if step.id in seen:
                continue
            seen.add(step.id)
            text = http.get(f"/scenarios/{scenario.id}", params=answers).text
            expected = f"问：{step.ask}" if isinstance(step, ScenarioQuestion) else step.title
            assert expected in text, (scenario.id, answers)
        assert seen == {q.id for q in scenario.questions} | {o.id for o in scenario.outcomes}


def test_a_change_link_goes_back_to_its_question(http):
    page = http.get("/scenarios/adoption?matter=end&adult=yes&agreed=yes").text
    links = re.findall(r'href="\?([^"]*)">改一下', page)
    assert [dict(parse_qsl(html.unescape(link))) for link in links] == [{}, {"matter": "end"}, {"matter": "end", "adult": "yes"}]


def test_old_beliefs_and_notices_are_listed(http):
    text = http.get("/notices").text
    assert "低保标准调整（示例）" in text
    assert "国庆期间" not in text, "a notice that has ended is not shown"
    assert text.count("<tr>") > 30
    assert "14周岁以下" in text


def test_a_question_can_be_brought_along_to_the_chat(http):
    assert "低保怎么申请</textarea>" in http.get("/chat", params={"q": "低保怎么申请"}).text
    assert "<script>alert" not in http.get("/chat", params={"q": "<script>alert(1)</script>"}).text


def test_the_day_of_the_last_review_is_today_in_china(http):
    today = datetime.now(ZoneInfo("Asia/Shanghai"))
    for address in ("/areas/A06", "/guides/S14"):
        assert f"最近一次审核发布：{today.year}年{today.month}月{today.day}日" in http.get(address).text

"""Pages: complete in themselves, escaped, and the same bytes for the same contents."""

import re

import plotly.graph_objects as go
import pytest

from rtb_envs.pages import Page


@pytest.fixture
def page():
    page = Page("Spend & <pace>", "One campaign, seven days")
    page.heading("Money")
    page.verdict("Keep the budget")
    page.text("First.", "Second <script>alert(1)</script>.")
    page.table("Cost", ["campaign", "cost ($)"], [["a<b", "1.50"]], note="per day")
    figure = go.Figure(go.Scatter(x=[0, 1], y=[2, 3])).update_layout(xaxis_title="day", yaxis_title="spend ($)")
    page.figure("Spend by day", figure, note="an example")
    return page


def test_a_page_loads_nothing_from_elsewhere(page):
    html = page.html()
    assert "<script>" in html
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", html) == []


def test_text_is_shown_as_it_is_given(page):
    html = page.html()
    for shown in ("Spend &amp; &lt;pace&gt;", "Second &lt;script&gt;alert(1)&lt;/script&gt;.", "a&lt;b", "cost ($)"):
        assert shown in html


def test_the_same_contents_are_the_same_bytes_and_are_written_whole(page, tmp_path):
    page.write(tmp_path / "report.html")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page.html()


def test_a_page_without_figures_is_small_and_may_be_loaded_anew_by_itself():
    html = Page("Progress", refresh_seconds=5).html()
    assert len(html) < 5_000
    assert '<meta http-equiv="refresh" content="5">' in html

"""The report in a real browser: widths, colours, print, keyboard, search and barriers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from isheep_worker.report.html import render

from ..browser import A4, AXE, PHONE, WIDER_THAN_THEIR_BOX, Page, chromium
from .whole_report import whole_report

DARK = {"color_scheme": "dark"}
FORCED = {"forced_colors": "active"}
COLOURS = """(selector) => [...document.querySelectorAll(selector)].map(
  (e) => ({fill: getComputedStyle(e).fill, stroke: getComputedStyle(e).stroke}))"""
PAPER = "getComputedStyle(document.body).backgroundColor"
BARS = "figure svg .mark-rect.role-mark path"

# One process makes the report and starts the browser.
pytestmark = pytest.mark.xdist_group("report page")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return whole_report()


@pytest.fixture(scope="module")
def file(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(document), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def show(browser: Any, file: Path) -> Iterator[Callable[..., Page]]:
    """Returns a function that opens the report; it takes the options of a browser's context."""
    opened: list[Page] = []

    def open_page(**context: Any) -> Page:
        opened.append(Page(browser, file, **context))
        return opened[-1]

    yield open_page
    for page in opened:
        page.close()


@pytest.mark.parametrize(
    "options",
    [{}, {"viewport": PHONE, **DARK}, FORCED],
    ids=["light", "dark on a phone", "forced colours"],
)
def test_axe_core_finds_no_barrier(show, options) -> None:
    page = show(**options)
    page.page.evaluate("for (const e of document.querySelectorAll('details')) e.open = true")
    assert page.findings() == []


def test_the_page_is_one_file_and_runs_no_generated_code(show, file) -> None:
    page = show()
    assert page.requests == [file.as_uri()]
    assert page.complaints == []
    assert page.page.title() == "demo – I-SHEEP report"


def test_a_script_in_generated_text_would_be_refused(browser, file, tmp_path) -> None:
    broken = tmp_path / "broken.html"
    script = "<script>document.title = 'evil'</script></main>"
    broken.write_text(file.read_text("utf-8").replace("</main>", script), encoding="utf-8")
    page = Page(browser, broken)
    assert page.page.title() == "demo – I-SHEEP report"
    assert "Content Security Policy" in " ".join(page.complaints)
    page.close()


def test_a_phone_shows_no_page_wider_than_its_screen(show) -> None:
    page = show(viewport=PHONE)
    page.page.evaluate("for (const e of document.querySelectorAll('details')) e.open = true")
    assert page.width() == PHONE["width"]
    wide = [one for one in page.page.evaluate(WIDER_THAN_THEIR_BOX) if 'class="wide"' not in one]
    assert wide == []


def test_nothing_is_cut_on_paper(show) -> None:
    # Without JavaScript, nothing opens what is folded before it is printed.
    page = show(viewport=A4, java_script_enabled=False)
    page.page.emulate_media(media="print")
    assert page.width() == A4["width"]
    assert page.page.evaluate(WIDER_THAN_THEIR_BOX) == []
    folded = page.page.locator("details table, details pre, details dl")
    assert folded.count() > 10
    for at in range(folded.count()):
        assert folded.nth(at).is_visible()


def test_a_print_opens_what_is_folded(show, tmp_path) -> None:
    page = show()
    page.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.page.locator("details:not([open])").count() == 0
    page.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.page.locator("details:not([open])").count() > 0
    assert page.page.pdf(format="A4").startswith(b"%PDF")


def test_charts_have_axes_units_and_text(show) -> None:
    page = show()
    figures = page.page.locator("figure")
    assert figures.count() == 16
    for at in range(figures.count()):
        figure = figures.nth(at)
        label = figure.locator("svg").get_attribute("aria-label")
        # A chart can be in a folded part of the page, whose inner text is empty.
        assert figure.locator("figcaption").text_content().strip().startswith(label)
        assert figure.locator("svg .role-axis-title text").count() >= 1
        assert figure.locator("svg .role-axis-label text").count() >= 4
    titles = set(page.page.locator("svg .role-axis-title text").all_text_contents())
    assert titles == {
        *("seconds", "texts, instructions or pairs", "score", "pairs"),
        *("optimizer step", "nats a token", "gradient norm"),
        *(f"minus M(0), {unit}" for unit in ("nats per token", "share", "acc", "acc_norm")),
    }
    assert {"kept", "dropped", "training loss", "validation loss"} <= set(
        page.page.locator("svg .role-legend-label text").all_text_contents()
    )


@pytest.mark.parametrize("colours", [{}, DARK, FORCED], ids=["light", "dark", "forced"])
def test_bars_differ_from_the_paper(show, colours) -> None:
    page = show(**colours)
    paper = page.page.evaluate(PAPER)
    bars = page.page.evaluate(COLOURS, BARS)
    assert len(bars) > 50
    assert all(bar["fill"] != paper or bar["stroke"] not in (paper, "none") for bar in bars)


def test_dark_mode_changes_paper_and_charts(show) -> None:
    light, dark = show(), show(**DARK)
    assert light.page.evaluate(PAPER) == "rgb(255, 255, 255)"
    assert dark.page.evaluate(PAPER) == "rgb(20, 24, 31)"
    assert light.page.evaluate(COLOURS, BARS) != dark.page.evaluate(COLOURS, BARS)


def test_the_keyboard_reaches_contents_search_and_tables(show) -> None:
    page = show().page
    reached = []
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(e => e.id || e.getAttribute('href') || e.tagName)(document.activeElement)"
            )
        )
        if reached[-1] == "BODY":
            break
    assert reached[:2] == ["#verdict", "#run"]
    assert {"search", "#i2-pairs", "pairs-i1.jsonl.gz", "SUMMARY", "DIV"} <= set(reached)
    page.locator("a[href='#i2-pairs']").focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#i2-pairs")
    assert page.locator("#i2-pairs").bounding_box()["y"] < 200
    summary = page.query_selector("details[data-group]:not([open]) > summary")
    summary.focus()
    outline = summary.evaluate("(e) => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    assert summary.evaluate("(e) => e.parentElement.open")


def test_each_entry_of_the_contents_leads_to_a_heading(show) -> None:
    page = show().page
    links = page.locator("nav a")
    assert links.count() > 10
    for at in range(links.count()):
        target = page.locator(f"[id='{links.nth(at).get_attribute('href')[1:]}']")
        assert target.count() == 1
        assert target.evaluate("(e) => e.tagName") in ("H2", "H3")


def test_the_search_finds_pairs_by_their_words(show, document) -> None:
    page = show().page
    total = sum(len(group["pairs"]) for it in document["iterations"] for group in it["pairs"])
    page.fill("#search", "RIVERS asia question-back")
    shown = page.locator("tr[data-pair]:not([hidden])")
    expected = [
        pair
        for it in document["iterations"]
        for group in it["pairs"]
        for pair in group["pairs"]
        if pair["reason"] == "question-back" and "rivers" in pair["instruction"]
    ]
    assert shown.count() == len(expected) > 0
    message = f"{len(expected)} of {total} shown pairs contain these words"
    assert page.locator("#found").inner_text() == message
    # A group without a match is hidden, and the search clears again.
    assert page.locator("[data-group]:visible").count() == 2
    page.fill("#search", "")
    assert page.locator("tr[data-pair]:not([hidden])").count() == total


def test_without_scripts_the_page_has_no_search_and_all_pairs(show, document) -> None:
    page = show(java_script_enabled=False).page
    assert not page.locator("#search").is_visible()
    assert page.locator("tr[data-pair][hidden]").count() == 0


def test_the_copy_of_axe_core_is_the_one_that_its_readme_names() -> None:
    readme = (AXE.parent / "README.md").read_text("utf-8")
    version = re.search(r"^/\*! axe v([0-9.]+)", AXE.read_text("utf-8"))
    assert version is not None
    assert f"| version | {version[1]} |" in readme
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() in readme
    assert "Mozilla Public License" in (AXE.parent / "LICENSE").read_text("utf-8")

"""`make docs`: the site is complete, needs no other server, and its search finds every page."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ..unit.isheep_worker.browser import chromium

ROOT = Path(__file__).resolve().parents[2]


def builder() -> ModuleType:
    """Load `hack/site.py`, which is not in a package."""
    spec = importlib.util.spec_from_file_location("isheep_site", ROOT / "hack/site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILDER = builder()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this checkout; its build follows all links."""
    folder = tmp_path_factory.mktemp("site") / "out"
    BUILDER.build(ROOT, folder)
    return folder


def test_the_site_has_each_page_and_each_file_that_a_page_links_to(site: Path) -> None:
    pages = [path for pattern in BUILDER.PAGES for path in ROOT.glob(pattern)]
    names = {path.relative_to(ROOT).with_suffix(".html") for path in pages}
    # Browsers open index.html, so the site's README is under this name.
    expected = {Path(name.as_posix().replace("README.html", "index.html")) for name in names}
    assert expected - {path.relative_to(site) for path in site.rglob("*.html")} == set()
    assert (site / "examples/quickstart.yaml").is_file()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The address of the site on a server of this process."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def open_search(page: Any) -> Any:
    """Press the shortcut until the field appears: a page whose scripts still load ignores it."""
    from playwright.sync_api import TimeoutError as NotYet

    field = page.locator("input[role=combobox]")
    for _ in range(60):
        page.keyboard.press("Control+k")
        try:
            field.wait_for(timeout=2000)
        except NotYet:
            continue
        return field
    raise AssertionError("the search does not open")


def test_the_search_finds_the_page_of_a_reason_and_asks_no_other_server(address: str) -> None:
    with chromium() as browser:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/docs/tutorial.html")
        open_search(page).fill("StoreUnreachable")
        page.locator("a", has_text="StoreUnreachable").first.click(timeout=120_000)
        page.wait_for_url("**/docs/reference/reasons/StoreUnreachable.html*")
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_a_pattern_is_shown_as_it_is(site: Path) -> None:
    page = (site / "docs/reference/selfalignmentrun.html").read_text()
    assert "<code>^[a-z]{2,3}$</code>" in page
    assert r"\|" not in page


def test_the_navigation_has_the_pages_of_the_map(site: Path) -> None:
    page = (site / "docs/tutorial.html").read_text()
    assert 'href="./reference/cli.html"' in page
    assert 'href="./how-to/use-gpus.html"' in page


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.html", '<a href="b.html">', "a.html: b.html: no such file"),
        ("a.html", '<a href="#part">', "a.html: #part: no such anchor"),
        ("a.html", '<p id="p"><a href="a.html#q">', "a.html: a.html#q: no such anchor"),
        (
            "a.html",
            '<script src="https://cdn.example/x.js"></script>',
            "a.html: https://cdn.example/x.js: another server",
        ),
        (
            "a.html",
            '<img src="//cdn.example/x.png">',
            "a.html: //cdn.example/x.png: another server",
        ),
        ("a.html", '<pre class="mermaid">', 'a.html: class="mermaid": another server'),
        (
            "a.css",
            "@import url(https://f.example/a);",
            "a.css: https://f.example/a: another server",
        ),
        ("a.css", "x{src:url('//f.example/a')}", "a.css: //f.example/a: another server"),
    ],
)
def test_a_link_that_leads_nowhere_and_another_server_are_found(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    (tmp_path / name).write_text(text)
    assert list(BUILDER.check(tmp_path)) == [problem]


def test_links_that_a_reader_opens_may_lead_to_another_server(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<p id="p"><a href="https://a.example/">a</a><a href="#p">')
    (tmp_path / "b.html").write_text('<a href="a.html#p"><a href="."><a href="mailto:a@a.example">')
    (tmp_path / "index.html").write_text("")
    assert list(BUILDER.check(tmp_path)) == []


def test_the_build_reports_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Map\n\n## Part\n- [Page](page.md)\n")
    (tmp_path / "docs/page.md").write_text("# Page\n[Nowhere](#nowhere)\n")
    (tmp_path / "README.md").write_text("# Home\n")
    with pytest.raises(BUILDER.SiteError, match="anchor does not exist"):
        BUILDER.build(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()

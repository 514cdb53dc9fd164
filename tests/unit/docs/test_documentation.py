"""The documentation matches the checkout: links, folders and file names exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([\w./-]+)(?:#[\w-]*)?\)")
CODE_PATH = re.compile(
    r"`((?:operator|images|charts|crds|docs|examples|tests|benchmarks|hack|requirements)/[\w./-]+)`"
)
NOT_YET = "my_"
"""The file names of an extension that a reader adds begin with this."""


def tracked_folders() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {str(Path(name).parent) for name in listed.stdout.splitlines()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_link_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", page.read_text("utf-8"))
    links = LINK.findall(text)
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "AGENTS.md", "docs/extending.md"])
def test_each_path_on_a_page_for_contributors_exists(page: str) -> None:
    paths = CODE_PATH.findall((ROOT / page).read_text("utf-8"))
    assert paths
    missing = [path for path in paths if NOT_YET not in path and not (ROOT / path).exists()]
    assert missing == []


def test_contributing_lists_every_package_and_top_level_folder() -> None:
    listed = set(CODE_PATH.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    listed |= set(re.findall(r"^\| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M))
    folders = tracked_folders()
    packages = {
        folder
        for folder in folders
        if re.fullmatch(r"(operator/isheep|images/worker/isheep_worker)/\w+", folder)
    }
    tests = {folder for folder in folders if re.fullmatch(r"tests/\w+", folder)}
    top = {folder.split("/")[0] for folder in folders} - {".", ".ci", "tests", "operator", "images"}
    top -= {"charts"}
    assert sorted((packages | tests | top) - listed) == []


def test_the_map_links_to_every_page_outside_of_the_folders_with_a_list() -> None:
    linked = set(LINK.findall((ROOT / "docs/index.md").read_text("utf-8")))
    pages = {
        page.relative_to(ROOT / "docs").as_posix()
        for page in PAGES
        if page.is_relative_to(ROOT / "docs")
        and page.parent.name not in ("decisions", "reasons", "rules")
    } - {"index.md"}
    assert pages - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_placeholder_is_outside_of_code(page: Path) -> None:
    """Markdown would read `<name>` as HTML and show nothing."""
    text = re.sub(r"```.*?```|`[^`\n]*`|<!--.*?-->", "", page.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    assert re.findall(r"<\w[^>]*>", text) == []

"""Build the documentation as a site, without a network: `python hack/site.py [FOLDER]`.

The pages are the Markdown files of the checkout. Their links are relative paths in the checkout, so
the build copies the pages and the files that they link to into a temporary folder with the same
structure, and no link is rewritten. The navigation comes from docs/index.md, the map of the pages.

After the build, every link and every anchor of the site is followed. A link that leads nowhere, and
a resource from another server, ends the build with an error: the site must work without a network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "site"
PAGES = ("*.md", "docs/**/*.md", "charts/*/README.md")
FILES = (
    "docs/images/*",
    "examples/**/*.yaml",
    "crds/*.yaml",
    "charts/*/values.yaml",
    "hack/argocd/*",
    "hack/flux/*",
    "hack/gc/*",
    "LICENSE",
)
"""Files that pages link to, and that the site has unchanged."""
HEADING = re.compile(r"^## (?P<title>.+)$")
ENTRY = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<path>[\w./-]+\.md)\)")
STYLE_ADDRESS = re.compile(r"""(?:url\(|@import)\s*["']?(?P<address>(?:https?:)?//[^"')\s]+)""")
LOADED_BY_SCRIPTS = ('class="mermaid"', 'data-md-component="source"')
"""Parts of a page for which the theme's script would load something from another server."""
ESCAPED_BAR = re.compile(r"`[^`]*`")
LINKS = frozenset({"a"})
"""The elements whose address a reader opens; the browser loads all other addresses by itself."""


class SiteError(Exception):
    """The site is not complete; the message names the pages and the links."""


def navigation(index: str) -> list[dict[str, object]]:
    """Return the sections of docs/index.md with the titles and the paths of their pages."""
    sections: list[tuple[str, list[dict[str, str]]]] = []
    for line in index.splitlines():
        if heading := HEADING.match(line):
            sections.append((heading["title"], []))
        elif entry := ENTRY.match(line):
            path = (PurePosixPath("docs") / entry["path"]).as_posix()
            sections[-1][1].append({entry["title"]: path})
    listed: list[dict[str, object]] = [{title: pages} for title, pages in sections if pages]
    return [{"Home": "README.md"}, {"Map": "docs/index.md"}, *listed]


def configuration(index: str) -> str:
    """Return the configuration of the site's generator."""
    settings = {
        "site_name": "I-SHEEP operator",
        "docs_dir": "pages",
        "site_dir": "site",
        "use_directory_urls": False,
        "nav": navigation(index),
    }
    theme = {"font": False, "features": ["navigation.top", "content.code.copy", "toc.follow"]}
    dark = {
        "media": "(prefers-color-scheme: dark)",
        "scheme": "slate",
        "toggle": {"icon": "lucide/moon", "name": "Light mode"},
    }
    light = {
        "media": "(prefers-color-scheme: light)",
        "scheme": "default",
        "toggle": {"icon": "lucide/sun", "name": "Dark mode"},
    }
    lines = ["[project]", *(f"{name} = {_toml(value)}" for name, value in settings.items())]
    lines += ["[project.theme]", *(f"{name} = {_toml(value)}" for name, value in theme.items())]
    for palette in (light, dark):
        lines += ["[[project.theme.palette]]"]
        lines += [f"{name} = {_toml(value)}" for name, value in palette.items()]
    return "\n".join([*lines, ""])


def _toml(value: object) -> str:
    """Return a value as TOML, whose texts, lists and booleans have the form of JSON."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(k)} = {_toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def page_text(text: str) -> str:
    """Return a page as the site's generator reads it.

    In a cell of a table, GitHub needs a backslash before a bar, also inside of code. The generator
    would show the backslash.
    """
    return "\n".join(
        ESCAPED_BAR.sub(lambda code: code[0].replace("\\|", "|"), line) if line[:1] == "|" else line
        for line in text.split("\n")
    )


def build(root: Path, output: Path) -> None:
    """Build the site of a checkout into the folder `output`; raises `SiteError`."""
    with tempfile.TemporaryDirectory(prefix="isheep-site-") as name:
        folder = Path(name)
        for pattern in (*PAGES, *FILES):
            for path in root.glob(pattern):
                copy = folder / "pages" / path.relative_to(root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix == ".md":
                    copy.write_text(page_text(path.read_text("utf-8")), encoding="utf-8")
                else:
                    shutil.copyfile(path, copy)
        index = (root / "docs/index.md").read_text("utf-8")
        (folder / "zensical.toml").write_text(configuration(index), encoding="utf-8")
        zensical = Path(sysconfig.get_path("scripts")) / "zensical"
        built = subprocess.run(
            [zensical, "build", "--strict", "--config-file", folder / "zensical.toml"],
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode != 0:
            raise SiteError(f"zensical build:\n{built.stdout}{built.stderr}")
        problems = list(check(folder / "site"))
        if problems:
            raise SiteError("\n".join(problems))
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(folder / "site", output)


class _Page(HTMLParser):
    """The anchors of a page, and its addresses with the elements that have them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.addresses: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                self.addresses.append((tag, value))


def check(site: Path) -> Iterator[str]:
    """Yield each link that leads nowhere and each resource that another server would send."""
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        text = path.read_text("utf-8")
        for part in (part for part in LOADED_BY_SCRIPTS if part in text):
            yield f"{path.relative_to(site).as_posix()}: {part}: another server"
        # The page for missing addresses has absolute links, because its place is not known.
        base = site if path.name == "404.html" else path.parent
        for tag, address in page.addresses:
            full = f"{path.name}{address}" if address[:1] in ("", "#") else address
            problem = _problem(site, base, tag, full, pages)
            if problem:
                yield f"{path.relative_to(site).as_posix()}: {address}: {problem}"
    for path in site.rglob("*.css"):
        for found in STYLE_ADDRESS.finditer(path.read_text("utf-8")):
            yield f"{path.relative_to(site).as_posix()}: {found['address']}: another server"


def _problem(
    site: Path, base: Path, tag: str, address: str, pages: dict[Path, _Page]
) -> str | None:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None if tag in LINKS or parts.scheme == "data" else "another server"
    name = unquote(parts.path)
    target = site / name.lstrip("/") if name.startswith("/") else base / name
    target = target.resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return "no such anchor"
    return None


def main(words: list[str]) -> int:
    output = Path(words[0]) if words else OUTPUT
    try:
        build(ROOT, output)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{output}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

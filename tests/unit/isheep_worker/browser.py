"""Pages in Debian's Chromium, which playwright drives, and their barriers, which axe-core finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parents[2] / "vendor/axe-core/axe.min.js"
PHONE = {"width": 390, "height": 800}
A4 = {"width": 718, "height": 1000}
"""The width of A4 in CSS pixels, less margins of 1 cm."""

WIDER_THAN_THEIR_BOX = """() => [...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && !e.closest("svg") && e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).display !== "inline")
  .map((e) => e.outerHTML.slice(0, 120))"""


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium without a network; its tests fail if it is not installed."""
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox does not work for root.
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Page:
    """A page of a local file, and what it said on the console or wanted from the network."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._context = browser.new_context(**{"offline": True, **context})
        self.page = self._context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())

    def close(self) -> None:
        self._context.close()

    def width(self) -> int:
        """Return the width of the page in CSS pixels, with what is outside of the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def findings(self) -> list[str]:
        """Return what axe-core finds, one line for each rule."""
        self.page.evaluate(AXE.read_text("utf-8"))
        result = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        assert result["passes"], "axe-core checked nothing"
        return [
            f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
            for one in result["violations"]
        ]

"""An HTTP session in memory: it answers the operator's polls of pods."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientTimeout


@dataclass
class FakeContent:
    text: bytes

    async def read(self, size: int) -> bytes:
        # A real stream returns the bytes that have arrived.
        chunk, self.text = self.text[: min(size, 1000)], self.text[min(size, 1000) :]
        return chunk


@dataclass
class FakeResponse:
    """A response with a given answer: JSON, bytes, an exception, or a coroutine that gives one."""

    answer: Any

    async def __aenter__(self) -> FakeResponse:
        answer = await self.answer if asyncio.iscoroutine(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.content = FakeContent(text)
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@dataclass
class FakeSession:
    """An HTTP session in which pods answer at /progress."""

    answer: Callable[[str], Any] = lambda url: {}
    urls: list[str] = field(default_factory=list)

    def get(self, url: str, *, timeout: ClientTimeout, allow_redirects: bool) -> Any:
        # A pod must not redirect the operator to another server or keep it waiting.
        assert not allow_redirects
        assert timeout.total is not None
        self.urls.append(url)
        return FakeResponse(self.answer(url))

"""The cache follows the environment."""

from __future__ import annotations

from pathlib import Path

from isheep_worker.runtime.cache_folder import cache_folder


def test_the_cache_follows_the_environment() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/isheep")
    assert cache_folder({}) == Path.home() / ".cache/isheep"

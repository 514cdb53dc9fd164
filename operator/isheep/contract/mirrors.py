"""Mirrors: the location that is read instead of a run's URI.

A run names the hub. A cluster without access to the hub reads a bucket or a claim instead, and a
laptop reads a folder. The run's URI stays the same in its spec and in messages. Only code that
opens the URI, or mounts its location, resolves the mirror.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def mirrored(uri: str, mirrors: Mapping[str, str]) -> str:
    """Return the URI or folder to read instead of a URI: the longest mirrored prefix is replaced.

    A mirror may have a mirror, too. Each mirror is used once, so the search ends even if two
    mirrors name each other.
    """
    unused = dict(mirrors)
    while (prefix := _longest_prefix(uri, unused)) is not None:
        mirror = unused.pop(prefix)
        rest = uri.removeprefix(prefix.rstrip("/")).lstrip("/")
        uri = f"{mirror.rstrip('/')}/{rest}" if rest else mirror
    return uri


def _longest_prefix(uri: str, prefixes: Iterable[str]) -> str | None:
    matching = [p for p in prefixes if uri == p or uri.startswith(p.rstrip("/") + "/")]
    return max(matching, key=len, default=None)

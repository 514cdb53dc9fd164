"""Mirrors: what is read instead of the URI that a run names.

A run names the hub, and a cluster without a way there reads a bucket or a claim, a laptop
a folder. The run's URI stays what it is, in its spec and in messages; only whoever
opens it, or mounts what it leads to, asks here where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def mirrored(uri: str, mirrors: Mapping[str, str]) -> str:
    """Return what is read instead of a URI: its longest mirrored beginning is replaced.

    A mirror may have a mirror in its turn. Each is used once, so the search ends even
    where they name each other.
    """
    unused = dict(mirrors)
    while (prefix := _longest_beginning(uri, unused)) is not None:
        mirror = unused.pop(prefix)
        rest = uri.removeprefix(prefix.rstrip("/")).lstrip("/")
        uri = f"{mirror.rstrip('/')}/{rest}" if rest else mirror
    return uri


def _longest_beginning(uri: str, prefixes: Iterable[str]) -> str | None:
    beginnings = [p for p in prefixes if uri == p or uri.startswith(p.rstrip("/") + "/")]
    return max(beginnings, key=len, default=None)

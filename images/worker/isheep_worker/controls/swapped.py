"""Swapped: the response is the response to another instruction. The most obvious damage."""

from __future__ import annotations

from isheep_worker.controls.interface import ControlDefinition, Source


def swapped(source: Source) -> str | None:
    """Return the other response; None if there is none, or if it is the same text."""
    other = source.other.strip()
    return other if other and other != source.response.strip() else None


SWAPPED = ControlDefinition(swapped, "the response to another instruction")

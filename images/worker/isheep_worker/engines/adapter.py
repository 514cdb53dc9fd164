"""An adapter as engines are given it: M(t) as a few low-rank matrices beside M(0).

Its files are those that training leaves, in peft's format, which both engines read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter in a folder.

    `name` tells it from every other one: prefixes are cached under it. `rank` is what an
    engine that keeps its place for adapters must have room for.
    """

    name: str
    folder: Path
    rank: int


class AdapterError(ValueError):
    """The engine cannot serve an adapter of this base; the message says why and what to do."""


def read_adapter(name: str, folder: Path) -> Adapter:
    """Return the adapter in a folder."""
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    return Adapter(name, folder, int(config["r"]))

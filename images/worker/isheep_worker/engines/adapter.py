"""LoRA adapters that engines serve: M(t) as low-rank matrices that are added to those of M(0).

The adapter's files are the ones that training writes. They have peft's format, which every engine
reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from isheep.contract.reasons import Reason
from isheep_worker.runtime.errors import WorkerError

_CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter in a folder.

    `name` is unique for each adapter, because engines cache prompt prefixes under it. `rank` is the
    LoRA rank r. vLLM reserves memory for a rank when it starts.
    """

    name: str
    folder: Path
    rank: int


class AdapterError(WorkerError, ValueError):
    """The engine cannot serve an adapter of this base. The message has the cause and the remedy."""

    reason = Reason.BAD_ADAPTER


def read_adapter(name: str, folder: Path) -> Adapter:
    """Return the adapter in a folder; read its rank from `adapter_config.json`."""
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    return Adapter(name, folder, int(config["r"]))

"""The sizes of models for which `isheep init` knows settings.

The GPUs follow from the table in docs/how-to/size-a-run.md, and a test compares both: the GPUs of a
pod together have the memory for inference and for the smallest training. The module imports
nothing that starts slowly, because `isheep init --help` lists the sizes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PARAMETERS = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([bm])(?![A-Za-z0-9])", re.IGNORECASE)
_TOLERANCE = 1.1
"""A name rounds the number of parameters, as 7B for 7.6 billion."""


@dataclass(frozen=True, slots=True)
class Size:
    """A size with its settings.

    `billions` is the number of parameters in 10⁹. `gpus` is the number of GPUs of one pod, 0 for a
    CPU, and `gpu_gigabytes` is the memory that each of them needs. `memory` is the main memory of a
    pod in GiB. `instructions` is the number of instructions in an iteration.
    """

    name: str
    billions: float
    model: str
    iterations: int
    instructions: int
    gpus: int
    gpu_gigabytes: int
    memory: int


SIZES = (
    Size("135m", 0.135, "hf://HuggingFaceTB/SmolLM2-135M-Instruct", 2, 32, 0, 0, 8),
    Size("0.5b", 0.5, "hf://Qwen/Qwen2.5-0.5B", 2, 3000, 1, 16, 32),
    Size("1.5b", 1.5, "hf://Qwen/Qwen2.5-1.5B", 2, 3000, 1, 24, 32),
    Size("7b", 7.6, "hf://Qwen/Qwen2.5-7B", 2, 3000, 1, 40, 64),
    Size("14b", 14.8, "hf://Qwen/Qwen2.5-14B", 2, 3000, 1, 80, 96),
    Size("32b", 32.8, "hf://Qwen/Qwen2.5-32B", 3, 10000, 2, 80, 192),
    Size("72b", 72.7, "hf://Qwen/Qwen2.5-72B", 5, 10000, 4, 80, 384),
)
NAMES = ", ".join(size.name for size in SIZES)
USUAL = next(size for size in SIZES if size.name == "7b")


def size_named(text: str) -> Size:
    """Return the size with a name such as `7b` or `7B`.

    Raises:
        ValueError: There is no such size; the message gives the sizes.
    """
    for size in SIZES:
        if size.name == text.lower():
            return size
    close = size_of_model(text)
    hint = "" if close is None else f"; for this one, {close.name} has enough memory"
    raise ValueError(f"there are settings for the sizes {NAMES}{hint}")


def size_of_model(uri: str) -> Size | None:
    """Return the smallest size with enough memory for the model that a URI names.

    None if the name of the model contains no size, or one above the table.
    """
    found = _PARAMETERS.findall(uri.rpartition("/")[2])
    if not found:
        return None
    number, unit = found[-1]
    billions = float(number) / (1000 if unit.lower() == "m" else 1)
    return next((size for size in SIZES if billions <= size.billions * _TOLERANCE), None)

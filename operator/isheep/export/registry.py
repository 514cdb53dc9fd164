"""The formats of `isheep export`, by name."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.choices import ExportFormat
from isheep.export import alpaca, messages, preference, prompt_completion, text
from isheep.export.rows import Format

FORMATS: Mapping[ExportFormat, Format] = {
    "prompt-completion": prompt_completion.examples,
    "messages": messages.examples,
    "alpaca": alpaca.examples,
    "preference": preference.examples,
    "text": text.examples,
}

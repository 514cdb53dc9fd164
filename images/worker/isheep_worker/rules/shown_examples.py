"""How the pages of rules show the example of a rule: in one line, or in a block."""

from __future__ import annotations

from isheep_worker.rules.interface import Example

_REPLACEMENT = "\ufffd"


def shown_text(example: Example | str) -> str:
    """Return an example as `instruction / input → response`, without the parts that are blank."""
    if isinstance(example, str):
        return example
    task = f"{example.instruction} / {example.input}" if example.input else example.instruction
    return f"{task} → {example.response}" if example.response else task


def code(text: str) -> str:
    """Return a text as code in one line, with escapes for what would not be visible."""
    shown = "".join(_visible(character) for character in text)
    return f"`{shown}`" if shown.strip() else "(blank)"


def block(text: str) -> str:
    """Return a text as an indented block, whose line breaks remain."""
    lines = text.split("\n")
    return "\n".join(f"    {''.join(_visible(character) for character in line)}" for line in lines)


def _visible(character: str) -> str:
    if character.isprintable() and character != _REPLACEMENT:
        return character
    return character.encode("unicode_escape").decode()

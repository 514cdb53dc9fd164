"""Lists in templates: blocks between lines of `###`, each a few labels with their texts.

    Type: fresh facts
    About: needs news that no training text can hold
    ###
    Type: …

What a user writes is what the model sees, so the form is the prompt's own. A text goes
on over lines until the next label. A bad list is told by template, block and label.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary

SEPARATOR = "###"


def read_blocks(
    library: TemplateLibrary, template: str, labels: Sequence[str]
) -> list[dict[str, str]]:
    """Return a template's blocks, each label's text stripped.

    Raises `PromptTemplateError` for a template without blocks, text before the first
    label, and a label that is missing, repeated, out of order or without text.
    """
    blocks = [_lines(block) for block in _split(library.render(template))]
    if not blocks:
        raise PromptTemplateError(
            f"template {template!r} holds no block: write {', '.join(labels)} on lines of their own"
        )
    return [
        _block(lines, labels, f"template {template!r}, block {number}")
        for number, lines in enumerate(blocks, start=1)
    ]


def _split(text: str) -> list[str]:
    blocks: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip() == SEPARATOR:
            blocks.append([])
        else:
            blocks[-1].append(line)
    return [block for lines in blocks if (block := "\n".join(lines).strip())]


def _lines(block: str) -> list[str]:
    return block.split("\n")


def _block(lines: Sequence[str], labels: Sequence[str], where: str) -> dict[str, str]:
    texts: dict[str, list[str]] = {}
    for line in lines:
        label = next((one for one in labels if line.startswith(one)), None)
        if label is None and not texts:
            raise PromptTemplateError(f"{where}: begins with {line[:40]!r}, not with {labels[0]!r}")
        if label is not None and label in texts:
            raise PromptTemplateError(f"{where}: {label!r} stands twice; put {SEPARATOR} between")
        if label is None:
            texts[next(reversed(texts))].append(line)
        else:
            texts[label] = [line.removeprefix(label)]
    found = {label: "\n".join(text).strip() for label, text in texts.items()}
    if list(found) != list(labels):
        raise PromptTemplateError(
            f"{where}: has {', '.join(found)}; it needs {', '.join(labels)}, in this order"
        )
    for label, text in found.items():
        if not text:
            raise PromptTemplateError(f"{where}: {label!r} has no text")
    return found

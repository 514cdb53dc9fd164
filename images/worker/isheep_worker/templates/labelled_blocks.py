"""The reader of lists in templates: blocks between lines of `###`, with labels and texts.

    Type: fresh facts
    About: needs news that no training text can hold
    ###
    Type: …

The form is the form of the prompt, so users write what the model sees. A text continues over lines
until the next label. The message about a bad list names the template, the block and the label.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary

SEPARATOR = "###"


def read_blocks(
    library: TemplateLibrary, template: str, labels: Sequence[str]
) -> list[dict[str, str]]:
    """Return the blocks of a template: the text of each label, without outer white space.

    Args:
        library: The run's templates.
        template: The name of the template.
        labels: The labels that each block has, in order.

    Returns:
        The blocks, in the order of the template.

    Raises:
        PromptTemplateError: The template has no block, has text before the first label, or has a
            label that is missing, repeated, out of order or without text.
    """
    blocks = [_lines(block) for block in _split(library.render(template))]
    if not blocks:
        raise PromptTemplateError(
            f"template {template!r} has no block: write {', '.join(labels)} on separate lines"
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
            raise PromptTemplateError(
                f"{where}: begins with {line[:40]!r}; it must begin with {labels[0]!r}"
            )
        if label is not None and label in texts:
            raise PromptTemplateError(
                f"{where}: {label!r} appears twice; write a line {SEPARATOR} between two blocks"
            )
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
            raise PromptTemplateError(f"{where}: {label!r} has no text; write a text after it")
    return found

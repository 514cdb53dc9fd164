"""The prompt with which a model invents tasks (I-SHEEP section 3.1, in the form of Alpaca).

The constant text comes first, so an engine with a prefix cache computes it once. Then come k
exemplars as a numbered list, and then the next number, from which the model continues:

    ###
    1. Instruction: <text>
    1. Input:
    <text or <noinput>>
    ###
    2. Instruction:

So a completion starts in the middle of a line, with the text of instruction k+1, and continues in
the same form. This module fixes the form of the list, not the template, because the parser of
completions depends on the form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isheep_worker.rows.records import NO_INPUT
from isheep_worker.templates.library import TemplateLibrary

TEMPLATE = "instructions"
SEPARATOR = "###"
NUMBER_OF_TASKS = 20
LAST_TASK = 16

LANGUAGE_NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "ms": "Malay",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A task that a prompt shows; `input` is empty if the task has none.

    Only prompts for whole tasks show `output`.
    """

    instruction: str
    input: str
    output: str = ""


def meta_prompt(
    library: TemplateLibrary,
    exemplars: Sequence[Exemplar],
    *,
    language: str = "en",
    number_of_tasks: int = NUMBER_OF_TASKS,
) -> str:
    """Return the raw prompt; the first item of its completion has the number k + 1.

    Args:
        library: The run's templates.
        exemplars: The k tasks that the prompt shows.
        language: The code of the run's language.
        number_of_tasks: The number of tasks that the prompt asks for.

    Returns:
        The prompt, which ends after `<k + 1>. Instruction:`.
    """
    header = library.render(
        TEMPLATE,
        number_of_tasks=str(number_of_tasks),
        language=language_name(language),
    )
    items = [numbered_task(i, exemplar) for i, exemplar in enumerate(exemplars, start=1)]
    return "".join([header, *items, f"{SEPARATOR}\n{len(exemplars) + 1}. Instruction:"])


def stop_string(last_task: int = LAST_TASK) -> str:
    """Return the string that ends a completion: the start of the item after `last_task`.

    The string contains the newline and the label; `17` alone would also match the year 1789.
    """
    return f"\n{last_task + 1}. Instruction:"


def language_name(code: str) -> str:
    """Return the English name of a language code (`de`, `pt-BR`), or a phrase with the code."""
    name = LANGUAGE_NAMES.get(code.split("-", maxsplit=1)[0].lower())
    if name is None:
        return f"the language with the code {code}"
    return name if "-" not in code else f"{name} ({code})"


def numbered_task(number: int, exemplar: Exemplar) -> str:
    """Return a numbered task without its output, as the list shows it."""
    instruction = one_line(exemplar.instruction)
    material = exemplar.input.strip() or NO_INPUT
    return f"{SEPARATOR}\n{number}. Instruction: {instruction}\n{number}. Input:\n{material}\n"


def one_line(instruction: str) -> str:
    """Return an instruction on one line, because a line break would end it in a list."""
    return " ".join(instruction.split())

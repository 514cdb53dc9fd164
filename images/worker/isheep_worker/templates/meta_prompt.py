"""The prompt that makes a model invent tasks (I-SHEEP section 3.1; Alpaca's manner).

Constant text first, so that an engine with prefix caching computes it once; then k
exemplars as a numbered list; then the next number, for the model to go on:

    ###
    1. Instruction: <text>
    1. Input:
    <text or <noinput>>
    ###
    2. Instruction:

A completion therefore starts in the middle of a line, with the text of instruction
k+1, and goes on in the same form. The list's form is fixed here, not in the template,
because the parser of completions reads it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isheep_worker.templates.library import TemplateLibrary

TEMPLATE = "instructions"
NO_INPUT = "<noinput>"
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
    """A task shown in the prompt; `input` is empty where the task has none.

    `output` is shown by those lists only that hold whole tasks.
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
    """Return the raw prompt; the completion's first item has the number k + 1."""
    header = library.render(
        TEMPLATE,
        number_of_tasks=str(number_of_tasks),
        language=language_name(language),
    )
    items = [numbered_task(i, exemplar) for i, exemplar in enumerate(exemplars, start=1)]
    return "".join([header, *items, f"{SEPARATOR}\n{len(exemplars) + 1}. Instruction:"])


def stop_string(last_task: int = LAST_TASK) -> str:
    """Return what ends a completion: the start of the item after `last_task`.

    The whole start, newline included: a bare `17` would also end at the year 1789.
    """
    return f"\n{last_task + 1}. Instruction:"


def language_name(code: str) -> str:
    """Return the English name of a language code (`de`, `pt-BR`), else a phrase that has it."""
    name = LANGUAGE_NAMES.get(code.split("-", maxsplit=1)[0].lower())
    if name is None:
        return f"the language with the code {code}"
    return name if "-" not in code else f"{name} ({code})"


def numbered_task(number: int, exemplar: Exemplar) -> str:
    """Return one numbered task, without its output."""
    instruction = one_line(exemplar.instruction)
    material = exemplar.input.strip() or NO_INPUT
    return f"{SEPARATOR}\n{number}. Instruction: {instruction}\n{number}. Input:\n{material}\n"


def one_line(instruction: str) -> str:
    """Return an instruction as a list shows it: a line break would end it."""
    return " ".join(instruction.split())

"""The library of prompt templates: the built-in texts, and the run's own texts in their place.

A template is a Jinja text under a fixed name. The built-in texts are in `builtin/`; a run's
`promptsRef` can replace each of them by its name. A replaced text is user input, so it renders in
Jinja's sandbox. A bad template should fail before a GPU is allocated, so the library checks every
text when it is created: the text parses, uses only the variables that it gets, uses the variables
without which the prompt has no meaning, and renders.

The name of a template that only one recipe uses begins with the name of the recipe, and only runs
of this recipe depend on it. Some templates are lists from which prompts are made, in the form of
the prompt.

Only the constant part of the instruction prompt is a template. `meta_prompt.py` writes the
numbered list after it, because the parser of completions depends on the exact form of the list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from isheep.contract.reasons import Reason
from isheep_worker.runtime.error_texts import describe
from isheep_worker.runtime.errors import WorkerError

SAMPLE_VALUES = {
    "number_of_tasks": "20",
    "language": "English",
    "instruction": "Name a colour.",
    "input": "red or blue",
    "response": "Red.",
    "level": "Quality",
    "types": "- Type: about",
    "labels": "0123456789",
    "legend": "The score is a digit.",
    "begin": "Score: ",
    "answer_a": "Red.",
    "answer_b": "Blue.",
    "answer": "Red.",
    "reference": "Red or blue.",
    "first_instruction": "Name a fruit.",
    "first_answer": "An apple.",
    "first_reference": "Any fruit.",
}


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables that a template gets (`known`) and those that it must use (`required`).

    `recipe` is the only recipe that uses the template; None if all recipes use it. `purpose` says
    what the template is, for the reference.
    """

    purpose: str
    known: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    recipe: str | None = None


_INSTRUCTION = frozenset({"instruction"})
_TASK = frozenset({"instruction", "input"})
_PAIR = frozenset({"instruction", "input", "response", "level"})
_LABELS = frozenset({"labels", "legend", "begin"})
_ANSWERS = frozenset({"instruction", "input", "answer_a", "answer_b"})
_GRADED = frozenset({"instruction", "input", "answer", "reference"})
_SECOND = _GRADED | {"first_instruction", "first_answer", "first_reference"}
VARIABLES: Mapping[str, Variables] = {
    "instructions": Variables(
        "the text before the list of tasks, which asks the model to continue the list",
        known=frozenset({"number_of_tasks", "language"}),
    ),
    "response-raw": Variables(
        "the prompt for a response, for a model without a chat format", known=_TASK, required=_TASK
    ),
    "response-chat": Variables(
        "the message of the user that asks for a response", known=_TASK, required=_TASK
    ),
    "assess-simple": Variables(
        "the question to the assessor with the rubric Simple", known=_PAIR, required=_PAIR
    ),
    "assess-combined": Variables(
        "the question to the assessor with the rubric Combined", known=_PAIR, required=_PAIR
    ),
    "assess-incontext": Variables(
        "the question to the assessor with the rubric InContext, with its examples",
        known=_PAIR,
        required=_PAIR,
    ),
    "alpaca": Variables(
        "the text before the list of tasks, which asks for tasks with input and output",
        known=frozenset({"number_of_tasks", "language"}),
        recipe="Alpaca",
    ),
    "self-instruct": Variables(
        "the text before the list of tasks", known=frozenset({"language"}), recipe="SelfInstruct"
    ),
    "self-instruct-classify": Variables(
        "the question whether a task is a classification, with its examples",
        known=_INSTRUCTION,
        required=_INSTRUCTION,
        recipe="SelfInstruct",
    ),
    "self-instruct-input-first": Variables(
        "the prompt that asks for an input and then for its output",
        known=_INSTRUCTION,
        required=_INSTRUCTION,
        recipe="SelfInstruct",
    ),
    "self-instruct-output-first": Variables(
        "the prompt that asks for an output and then for an input with it",
        known=_INSTRUCTION,
        required=_INSTRUCTION,
        recipe="SelfInstruct",
    ),
    "dromedary-topics": Variables(
        "the text before the list of topics",
        known=frozenset({"types", "language"}),
        required=frozenset({"types"}),
        recipe="Dromedary",
    ),
    "dromedary-seed-topics": Variables("the seed topics, one topic a line", recipe="Dromedary"),
    "dromedary-topic-guided": Variables(
        "the text before the list of instructions for topics",
        known=frozenset({"language"}),
        recipe="Dromedary",
    ),
    "dromedary-types": Variables(
        "types of instructions: blocks of `Type:`, `About:`, `Topic:` and numbered examples from "
        "`1.`, separated by `###`",
        recipe="Dromedary",
    ),
    "dromedary-principles": Variables("the principles and their introduction", recipe="Dromedary"),
    "dromedary-exemplars": Variables(
        "worked examples: blocks of `Request:`, `Private thoughts:` and `Public reply:`, separated "
        "by `###`",
        recipe="Dromedary",
    ),
    "dromedary-verbose": Variables(
        "the request for a thorough answer", known=_TASK, required=_TASK, recipe="Dromedary"
    ),
    "score-simple": Variables(
        "the question of expected scoring with the rubric Simple",
        known=_PAIR | _LABELS,
        required=_PAIR | {"labels"},
    ),
    "score-combined": Variables(
        "the question of expected scoring with the rubric Combined",
        known=_PAIR | _LABELS,
        required=_PAIR | {"labels"},
    ),
    "score-incontext": Variables(
        "the question of expected scoring with the rubric InContext",
        known=_PAIR | _LABELS,
        required=_PAIR | {"labels"},
    ),
    "judge-pair": Variables(
        "the question to the judge which of two answers is better",
        known=_ANSWERS,
        required=_ANSWERS,
    ),
    "judge-first-turn": Variables(
        "the question to the judge for the grade of an answer, with a reference if there is one",
        known=_GRADED,
        required=_GRADED,
    ),
    "judge-second-turn": Variables(
        "the question to the judge for the grade of the answer to a second turn",
        known=_SECOND,
        required=_SECOND,
    ),
}
FOR_EXPECTED_SCORES = frozenset({"score-simple", "score-combined", "score-incontext"})
"""The templates of expected scores. They are a separate input document, so runs that differ only in
`assessment.scoring` share the stages before assess."""
FOR_WIN_RATES = frozenset({"judge-pair"})
FOR_GRADES = frozenset({"judge-first-turn", "judge-second-turn"})
FOR_JUDGEMENTS = FOR_WIN_RATES | FOR_GRADES
"""The templates of judgements. They are in the document of a judgement of their kind, because no
stage of the method depends on them."""


class PromptTemplateError(WorkerError, ValueError):
    """A template cannot be used; the message names the template, the place and the remedy."""

    reason = Reason.BAD_TEMPLATE


class TemplateLibrary:
    """All prompt templates of a run, checked."""

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        """Take the built-in texts, with those in `overrides` replaced.

        Args:
            overrides: The run's own texts, by the names of the templates.

        Raises:
            PromptTemplateError: A name is unknown, or a text cannot be used.
        """
        overrides = overrides or {}
        for name in sorted(set(overrides) - set(VARIABLES)):
            raise PromptTemplateError(
                f"template {name!r}: there is no template with this name; "
                f"use one of {', '.join(sorted(VARIABLES))}"
            )
        self.texts: dict[str, str] = {
            name: overrides[name] if name in overrides else _builtin(name) for name in VARIABLES
        }
        self._environment = _environment()
        self._templates = {name: self._compile(name, text) for name, text in self.texts.items()}

    def render(self, name: str, **values: str) -> str:
        """Return the text of template `name` with `values` inserted unchanged."""
        try:
            return self._templates[name].render(values)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            # The message can quote a value, which can be generated text.
            raise PromptTemplateError(
                f"template {name!r} does not render: {describe(error)}"
            ) from error

    def digest(self, name: str) -> str:
        """Return the sha256 of the text of template `name`, for keys and manifests."""
        return hashlib.sha256(self.texts[name].encode()).hexdigest()

    def names_of(self, recipe: str) -> frozenset[str]:
        """Return the names of the templates that runs of a recipe may depend on."""
        return frozenset(name for name in self.texts if VARIABLES[name].recipe in (None, recipe))

    def _compile(self, name: str, text: str) -> Template:
        variables = VARIABLES[name]
        try:
            used = meta.find_undeclared_variables(self._environment.parse(text))
            template = self._environment.from_string(text)
        except TemplateSyntaxError as error:
            raise PromptTemplateError(
                f"template {name!r}, line {error.lineno}: {error.message}"
            ) from error
        for variable in sorted(used - variables.known):
            raise PromptTemplateError(
                f"template {name!r}, line {_line_of(variable, text)}: "
                f"unknown variable {variable!r}; "
                f"use only {', '.join(sorted(variables.known))}"
            )
        for variable in sorted(variables.required - used):
            raise PromptTemplateError(
                f"template {name!r} never uses {variable!r}: add {{{{ {variable} }}}} to it"
            )
        try:
            template.render({v: SAMPLE_VALUES[v] for v in variables.known})
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise PromptTemplateError(f"template {name!r} does not render: {error}") from error
        return template


def _environment() -> ImmutableSandboxedEnvironment:
    """Return the sandbox, in which a block on a separate line adds no blank line to the text."""
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _builtin(name: str) -> str:
    folder = resources.files("isheep_worker.templates") / "builtin"
    return (folder / f"{name}.jinja").read_text("utf-8")


def _line_of(variable: str, text: str) -> int:
    """Return the number (from 1) of the first line that contains the name of the variable."""
    return text[: max(text.find(variable), 0)].count("\n") + 1

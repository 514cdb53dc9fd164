"""The questions of `isheep init`, and how each answer is checked.

An answer comes from an option, from the user or from the default. The loader checks it: the text of
the file with this answer must be a valid run. So an answer is refused for the reason that `isheep
validate` would give, and no answer can change the form of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import typer

from isheep.api.reading.loader import SpecError, load_run
from isheep.api.recipe_registry import RECIPE_DEFINITIONS
from isheep.cli.arguments.suggestions import DEFAULT_STORE
from isheep.cli.new_run.run_fields import Answers
from isheep.cli.new_run.run_sizes import NAMES, USUAL, size_named, size_of_model
from isheep.cli.new_run.run_text import run_text
from isheep.cli.terminal.errors import BadInputError
from isheep.cli.terminal.text import printable
from isheep.contract.store_spec import S3StoreSpec, parse_store_uri

DIGITS = 9
_PLACES = ("machine", "cluster")
_METHOD_ITERATIONS = {"SelfInstruct": 1, "Alpaca": 1, "Dromedary": 2}
"""The iterations of the methods that do not depend on the size of the model."""


class AnswerError(ValueError):
    """An answer cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question; `option` is the name of its option, without dashes."""

    option: str
    text: str
    default: Callable[[Answers], str]
    apply: Callable[[Answers, str], Answers]


def answered(given: Mapping[str, str | None], ask: Callable[[str], str] | None) -> Answers:
    """Return the answers to all questions.

    Args:
        given: The values of the options, None for those that were not given.
        ask: Returns the user's answer to a question; None if nobody is to be asked.

    Raises:
        BadInputError: The value of an option cannot be used.
    """
    answers = Answers(USUAL, USUAL.model, "ISheep", 1, USUAL.instructions, False, None)
    for question in QUESTIONS if ask is None else INTERACTIVE:
        option = given[question.option]
        default = question.default(answers)
        if option is None and ask is not None:
            answers = _asked(question, answers, default, ask)
            continue
        try:
            answers = _checked(question, answers, default if option is None else option)
        except AnswerError as error:
            raise BadInputError(f"--{question.option}: {error}") from error
    return answers


def _asked(
    question: Question, answers: Answers, default: str, ask: Callable[[str], str]
) -> Answers:
    while True:
        try:
            return _checked(question, answers, ask(f"{question.text} [{default}]: ") or default)
        except AnswerError as error:
            typer.echo(printable(f"  {error}"), err=True)


def _checked(question: Question, answers: Answers, answer: str) -> Answers:
    """Return the answers with one more; raises `AnswerError`."""
    if not answer.isprintable():
        raise AnswerError(f"{answer!r} contains a control character or is not UTF-8")
    made = question.apply(answers, answer)
    try:
        load_run(run_text(made))
    except SpecError as error:
        raise AnswerError(error.problems[0].message) from error
    return made


def _with_size(answers: Answers, answer: str) -> Answers:
    try:
        size = size_named(answer)
    except ValueError as error:
        raise AnswerError(f"{answer}: {error}") from error
    return replace(answers, size=size, instructions=size.instructions)


def _with_model(answers: Answers, answer: str) -> Answers:
    return replace(answers, model=answer)


def _with_recipe(answers: Answers, answer: str) -> Answers:
    by_lower = {name.lower(): name for name in RECIPE_DEFINITIONS}
    return replace(answers, recipe=by_lower.get(answer.lower(), answer))


def _with_place(answers: Answers, answer: str) -> Answers:
    found = [place for place in _PLACES if answer and place.startswith(answer.lower())]
    if not found:
        raise AnswerError(f"{answer!r}: answer {' or '.join(_PLACES)}")
    made = replace(answers, cluster=found[0] == "cluster")
    if made.cluster and made.model.startswith("file:"):
        raise AnswerError("the pods of a cluster cannot read a file:// model: use hf, s3 or pvc")
    if not made.cluster and made.model.startswith("pvc:"):
        raise AnswerError(
            "one machine cannot read a pvc:// model: write a run for a cluster, or use hf, s3 or "
            "file"
        )
    return made


def _with_store(answers: Answers, answer: str) -> Answers:
    if answer == _default_store(answers):
        return replace(answers, store=None)
    store: S3StoreSpec | str = answer
    if "://" in answer:
        try:
            spec = parse_store_uri(answer)
        except ValueError as error:
            raise AnswerError(str(error)) from error
        store = spec.s3 or spec.uri
    if answers.cluster and isinstance(store, str):
        raise AnswerError("the pods of a cluster cannot read a folder: give s3://bucket/prefix")
    return replace(answers, store=store)


def _default_store(answers: Answers) -> str:
    return "the operator's default" if answers.cluster else DEFAULT_STORE


def _default_iterations(answers: Answers) -> str:
    return str(_METHOD_ITERATIONS.get(answers.recipe, answers.size.iterations))


def _number(answer: str) -> int:
    if not (answer.isascii() and answer.isdecimal() and len(answer) <= DIGITS):
        raise AnswerError(f"{answer!r} is no whole number")
    return int(answer)


_SIZE = Question(
    "from",
    f"Size of the model, or the next larger one of {NAMES}",
    lambda answers: (size_of_model(answers.model) or USUAL).name,
    _with_size,
)
_MODEL = Question("model", "Base model", lambda answers: answers.size.model, _with_model)
_OTHERS = (
    Question(
        "recipe",
        f"Recipe, one of {', '.join(RECIPE_DEFINITIONS)}",
        lambda answers: answers.recipe,
        _with_recipe,
    ),
    Question(
        "iterations",
        "Number of iterations",
        _default_iterations,
        lambda answers, answer: replace(answers, iterations=_number(answer)),
    ),
    Question(
        "instructions",
        "Number of instructions in an iteration",
        lambda answers: str(answers.size.instructions),
        lambda answers, answer: replace(answers, instructions=_number(answer)),
    ),
    Question(
        "cluster",
        f"Where it runs, {' or '.join(_PLACES)}",
        lambda _: _PLACES[0],
        _with_place,
    ),
    Question(
        "store",
        "Store: a folder or s3://bucket/prefix",
        _default_store,
        _with_store,
    ),
)
QUESTIONS = (_SIZE, _MODEL, *_OTHERS)
"""The order in which options are read: the size has a default for the model."""
INTERACTIVE = (_MODEL, _SIZE, *_OTHERS)
"""The order of the questions: the name of the model has a default for the size."""

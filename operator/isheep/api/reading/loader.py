"""The loader: it reads a run from YAML or JSON and reports every problem with its place.

The loader accepts the same runs as an API server with strict field validation; tests send the
corpus of `tests/control_plane` through both. In addition, the loader reports file and line, and it
needs no cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from isheep.api.generation.describe import describe
from isheep.api.reading.schema_paths import field_path, node, spec_paths
from isheep.api.reading.set_values import SetValue, SetValueError, with_values
from isheep.api.reading.warnings import warnings
from isheep.api.reading.yaml_reader import Document, FieldPath, Place, YamlError, read_documents
from isheep.api.run import GROUP, KIND, VERSION, SelfAlignmentRun
from isheep.api.validation.validations import violations

MAX_BYTES = 1024 * 1024
"""About the size limit of an API server for one object."""

_SHOWN = 60
_LIKE, _VERY_LIKE = 0.6, 0.8


_BEGIN = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a run: its place, its field, and a message with the remedy.

    A problem without a place is one of the whole file, and is shown at its beginning. `options` are
    the `--set` options that can have caused it. The text is one line that begins with
    `file:line:column:`.
    """

    source: str
    place: Place | None
    path: FieldPath
    message: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = self.place or _BEGIN
        start = f"{self.source}:{place.line}:{place.column}"
        message = " ".join(self.message.split("\n"))
        name, options = field_path(self.path), ", ".join(self.options)
        if options.endswith(f" {name}"):
            name = ""
        return ": ".join(part for part in (start, options, name, message) if part)


class SpecError(ValueError):
    """A run has problems, which are in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=_order))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run; `document` is the JSON value from the file with the set values, without defaults."""

    run: SelfAlignmentRun
    document: dict[str, Any]
    source: str
    places: dict[FieldPath, Place] = field(repr=False)
    set_values: tuple[SetValue, ...] = ()

    def where(self, path: str) -> str:
        """Return `file:line` of a field such as `spec.model.storageUri`.

        If the file does not contain the field, return the place of the nearest object around it.
        If `--set` has changed the field, return this option.
        """
        parts = tuple(path.split("."))
        for value in reversed(self.set_values):
            if value.concerns(parts):
                return value.option
        place = _nearest(self.places, parts)
        return self.source if place is None else f"{self.source}:{place.line}"

    def warnings(self) -> list[Problem]:
        """Return the settings without effect, in the order of the file."""
        found = [
            Problem(self.source, _nearest(self.places, w.path), w.path, f"warning: {w.message}")
            for w in warnings(self.run.spec)
        ]
        return sorted(_with_options(found, self.set_values), key=_order)


def load_run(
    source: Path | str, *, strict: bool = True, set_values: Sequence[SetValue] = ()
) -> LoadedRun:
    """Return the run in a file (a path) or in a text.

    Args:
        source: The path of a YAML or JSON file, or its text.
        strict: Whether unknown fields are refused, as on the command line. If false, they are
            ignored, as in the operator, which may read runs that a newer version stored.
        set_values: Values that replace fields of the file.

    Raises:
        SpecError: The run has problems.
    """
    if isinstance(source, str):
        return _loaded(source, "<text>", set_values, strict=strict)
    name = str(source)
    return _loaded(_decoded(_content(source, name), name), name, set_values, strict=strict)


def load_bytes(content: bytes, name: str, set_values: Sequence[SetValue] = ()) -> LoadedRun:
    """Return the run in the content of a file, which messages call `name`; raises `SpecError`."""
    return _loaded(_decoded(content, name), name, set_values, strict=True)


def _loaded(text: str, name: str, values: Sequence[SetValue], *, strict: bool) -> LoadedRun:
    document = _changed(_only_document(text, name), name, values)
    try:
        run = _validated(document, name, strict=strict)
    except SpecError as error:
        raise SpecError(_with_options(error.problems, values)) from error.__cause__
    return LoadedRun(
        run=run,
        document=document.value,
        source=name,
        places=document.places,
        set_values=tuple(values),
    )


def _changed(document: Document, name: str, values: Sequence[SetValue]) -> Document:
    """Return the document with the set values, unless it is no object."""
    if not isinstance(document.value, dict):
        return document
    for value in values:
        try:
            document = with_values(document, [value])
        except SetValueError as error:
            place = _nearest(document.places, value.path)
            problem = Problem(name, place, value.path, str(error), (value.option,))
            raise SpecError([problem]) from error
    return document


def _with_options(problems: Sequence[Problem], values: Sequence[SetValue]) -> list[Problem]:
    """Return problems with the options that set their fields, or fields that they name."""
    return [
        replace(one, options=tuple(v.option for v in values if _can_cause(v, one)))
        for one in problems
    ]


def _can_cause(value: SetValue, problem: Problem) -> bool:
    named = rf"(?<![\w.]){re.escape(field_path(value.path[1:]))}(?!\w)"
    return value.concerns(problem.path) or re.search(named, problem.message) is not None


def _content(source: Path, name: str) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise _single(name, f"the file cannot be read: {reason}") from error


def _decoded(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise _single(name, f"the file is larger than {MAX_BYTES} bytes, the limit for a run")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = "the file is not UTF-8: save it in that encoding"
        raise _single(name, message, Place(line, 1)) from error


def _only_document(text: str, name: str) -> Document:
    try:
        documents = read_documents(text)
    except YamlError as error:
        raise SpecError([Problem(name, error.place, error.path, error.message)]) from error
    if not documents:
        raise _single(name, f"the file is empty: write a {KIND} into it")
    if len(documents) > 1:
        message = f"this is document 2 of {len(documents)}: write each run into its own file"
        raise _single(name, message, documents[1].places[()])
    return documents[0]


def _validated(document: Document, name: str, *, strict: bool) -> SelfAlignmentRun:
    if isinstance(document.value, dict) and (foreign := _foreign(document.value)) is not None:
        raise _single(name, foreign, document.places[()])
    try:
        read = SelfAlignmentRun.read if strict else SelfAlignmentRun.read_stored
        run = read(document.value)
    except ValidationError as error:
        problems = [_problem(detail, document, name) for detail in error.errors(include_url=False)]
        raise SpecError(problems) from error
    broken = [
        Problem(name, _nearest(document.places, v.path), v.path, v.message) for v in violations(run)
    ]
    if broken:
        raise SpecError(broken)
    return run


def _foreign(value: dict[str, Any]) -> str | None:
    """Return the message for a document of another kind, or None if the document is a run."""
    wanted = (f"{GROUP}/{VERSION}", KIND)
    found = (value.get("apiVersion"), value.get("kind"))
    if found == wanted:
        return None
    shown = " and ".join(
        f"{name} {_show(item)}" if item is not None else f"no {name}"
        for name, item in zip(("apiVersion", "kind"), found, strict=True)
    )
    return f"the document has {shown}; a run has apiVersion {wanted[0]} and kind {wanted[1]}"


def _problem(detail: ErrorDetails, document: Document, name: str) -> Problem:
    path, kind = detail["loc"], detail["type"]
    if path and path[-1] == "[key]":
        path, message = path[:-1], "this is not a valid key of a label or an annotation"
    elif kind == "extra_forbidden":
        message = _unknown_field(path)
    elif kind == "missing":
        message = f"the field is required: {_allowed(path)}"
    elif kind == "duplicate":
        message = detail["msg"]
    else:
        message = _wrong_value(detail["input"], path, document)
    return Problem(name, _nearest(document.places, path), path, message)


def _unknown_field(path: FieldPath) -> str:
    wrong = str(path[-1])
    siblings = list(node(path[:-1]).get("properties", ()))
    close = _close(wrong, siblings)
    elsewhere = [str(found[-1]) for found in spec_paths()]
    if close is None and (name := _close(wrong, elsewhere, _VERY_LIKE)) is not None:
        close = next(field_path(found) for found in spec_paths() if found[-1] == name)
    if close is not None:
        return f"this field does not exist; did you mean {close}?"
    return f"this field does not exist; {field_path(path[:-1])} has {', '.join(siblings)}"


def _wrong_value(value: Any, path: FieldPath, document: Document) -> str:
    shown = _show(value)
    if (written := document.written.get(path)) is not None:
        shown = f"{written}, which means {shown} in YAML"
    message = f"found {shown}; allowed: {_allowed(path)}"
    choices = [str(choice) for choice in node(path).get("enum", ())]
    close = _close(value, choices) if isinstance(value, str) else None
    if close is not None:
        return f"{message}; did you mean {close}?"
    if node(path).get("type") == "string" and isinstance(value, bool | int | float):
        return f"{message}; write it in quotes"
    return message


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _allowed(path: FieldPath) -> str:
    schema = node(path)
    allowed = describe(schema)
    if "pattern" in schema and "description" in schema:
        return f"{allowed} ({schema['description'].rstrip('.')})"
    return allowed


def _close(wrong: str, names: list[str], likeness: float = _LIKE) -> str | None:
    by_lower = {name.lower(): name for name in names}
    found = get_close_matches(wrong.lower().replace("_", ""), by_lower, n=1, cutoff=likeness)
    return by_lower[found[0]] if found else None


def _nearest(places: dict[FieldPath, Place], path: FieldPath) -> Place | None:
    for length in range(len(path), -1, -1):
        if (place := places.get(path[:length])) is not None:
            return place
    return None


def _single(name: str, message: str, place: Place | None = None) -> SpecError:
    return SpecError([Problem(name, place, (), message)])


def _order(problem: Problem) -> tuple[int, int]:
    place = problem.place
    return (0, 0) if place is None else (place.line, place.column)

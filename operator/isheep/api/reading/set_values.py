"""Values of `--set spec.x.y=value`, which replace the fields of a run's file.

A value is YAML and is read as in the file, so `8` is a number, `[Quality]` is a list, and `null`
removes the field. The values are put into the document before it is checked, so that every check
of the file applies to them.

The schema decides where a path ends: the rest of a path in a map is one key, which may contain
dots, such as `spec.compute.training.resources.limits.nvidia.com/gpu`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isheep.api.reading.schema_paths import field_path, is_map, node
from isheep.api.reading.yaml_reader import (
    Document,
    FieldPath,
    YamlError,
    plain_scalar,
    read_documents,
)

OPTION = "--set"
SPEC = "spec"
MAX_DEPTH = 64
_PART = re.compile(r"^(?P<name>[^\[\]]+)(?P<indices>(\[[0-9]{1,6}\])*)$")


class SetValueError(ValueError):
    """A `--set` option cannot be used; the message names it and gives the remedy."""


@dataclass(frozen=True, slots=True)
class SetValue:
    """A field and its new value, None if the field is removed.

    `written` contains the scalars whose text differs from their value, by their path in the run.
    """

    path: FieldPath
    value: Any
    written: Mapping[FieldPath, str]

    @property
    def option(self) -> str:
        """The option without its value, for messages."""
        return f"{OPTION} {field_path(self.path)}"

    def concerns(self, path: FieldPath) -> bool:
        """Return whether the value contains the field at a path, or is inside of it."""
        shorter = min(len(self.path), len(path))
        return self.path[:shorter] == path[:shorter]


def parse_set(text: str) -> SetValue:
    """Return the field and the value of `spec.x.y=value`; raises `SetValueError`."""
    name, separator, value = text.partition("=")
    if not separator:
        raise SetValueError(f"{OPTION} {text!r}: write it as spec.FIELD=VALUE")
    path = parse_path(name)
    if not value.strip():
        raise SetValueError(
            f"{OPTION} {name}: the value is empty: write null to remove the field, or '\"\"' for "
            "an empty text"
        )
    try:
        documents = read_documents(value)
    except YamlError as error:
        raise SetValueError(f"{OPTION} {name}: {error.message}") from error
    if not documents and plain_scalar(value.strip()) is None:
        return SetValue(path, None, {})
    if len(documents) != 1:
        raise SetValueError(f"{OPTION} {name}: {value!r} is not one YAML value")
    written = {(*path, *inner): text for inner, text in documents[0].written.items()}
    return SetValue(path, documents[0].value, written)


def parse_path(name: str) -> FieldPath:
    """Return the path of a field such as `spec.x.y`; raises `SetValueError`."""
    first, _, rest = name.partition(".")
    if first != SPEC or not rest:
        raise SetValueError(
            f"{OPTION} {name!r}: a field begins with {SPEC}., as spec.selection.threshold"
        )
    path: FieldPath = (SPEC,)
    while rest:
        if is_map(node(path)):
            return (*path, rest)
        part, separator, rest = rest.partition(".")
        path += _parts(part, name)
        if separator and not rest:
            raise SetValueError(f"{OPTION} {name!r}: the field ends with a dot: remove it")
        if len(path) > MAX_DEPTH:
            raise SetValueError(
                f"{OPTION} {name[:MAX_DEPTH]!r}…: there are more than {MAX_DEPTH} parts; every "
                "field of a run has fewer"
            )
    return path


def with_values(document: Document, values: Sequence[SetValue]) -> Document:
    """Return a document in which the values replace the fields; later values win.

    Raises:
        SetValueError: A field is inside of something that is not an object or a list.
    """
    made = Document(document.value, dict(document.places), dict(document.written))
    for one in values:
        made.value = _replaced(made.value, one, 0)
        depth = len(one.path)
        made.places = {
            p: at for p, at in made.places.items() if p[:depth] != one.path or p == one.path
        }
        made.written = {p: at for p, at in made.written.items() if p[:depth] != one.path}
        made.written.update(one.written)
    return made


def value_at(value: Any, path: FieldPath) -> Any:
    """Return the value at a path of a JSON value, or None if there is none."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def recorded_values(document: Any, values: Sequence[SetValue]) -> dict[str, Any]:
    """Return the set fields with their values in the document, as they are stored with a run.

    The location of the data is not part of a run, so the fields of `spec.storage` are left out.
    """
    kept = [one.path for one in values if one.path[:2] != (SPEC, "storage")]
    return {field_path(path): value_at(document, path) for path in kept}


def set_text(field: str, value: Any) -> str:
    """Return a field and its value as `--set` reads them."""
    return f"{field}={value_text(value)}"


def set_words(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the arguments of a command line that set the values of some fields."""
    return tuple(word for name in values for word in (OPTION, set_text(name, values[name])))


def value_text(value: Any) -> str:
    """Return a value as one line of YAML."""
    if isinstance(value, str) and _reads_as_itself(value):
        return value
    return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(character: str) -> str:
    """Return a character of JSON, or the escape that YAML has for one that it does not allow."""
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _reads_as_itself(text: str) -> bool:
    if not text.strip() or not text.isprintable():
        return False
    try:
        documents = read_documents(text)
    except YamlError:
        return False
    return len(documents) == 1 and documents[0].value == text


def _parts(part: str, name: str) -> FieldPath:
    match = _PART.match(part)
    if match is None:
        raise SetValueError(
            f"{OPTION} {name!r}: {part!r} is no field: write names with dots between them, and the "
            "number of an item of a list in brackets, as env[0]"
        )
    indices = re.findall(r"[0-9]+", match["indices"])
    return (match["name"], *(int(index) for index in indices))


def _replaced(value: Any, one: SetValue, depth: int) -> Any:
    """Return a copy of a value at a depth of the path, with the new value in it."""
    if depth == len(one.path):
        return one.value
    part = one.path[depth]
    if isinstance(part, int):
        return _replaced_item(value, part, one, depth)
    if value is None:
        if one.value is None:
            return None
        value = {}
    if not isinstance(value, dict):
        raise SetValueError(f"{field_path(one.path[:depth])} is not an object, so it has no {part}")
    made = {**value, part: _replaced(value.get(part), one, depth + 1)}
    return made if made[part] is not None else {k: v for k, v in made.items() if k != part}


def _replaced_item(value: Any, index: int, one: SetValue, depth: int) -> list[Any]:
    if not isinstance(value, list) or index >= len(value):
        raise SetValueError(
            f"{field_path(one.path[:depth])} has no item {index}: set the whole list, as [a, b]"
        )
    if depth + 1 == len(one.path) and one.value is None:
        return value[:index] + value[index + 1 :]
    return [
        _replaced(item, one, depth + 1) if at == index else item for at, item in enumerate(value)
    ]

"""A reader of YAML and JSON with the rules of kubectl and API servers, and with places.

Kubernetes reads YAML with a Go library that gives plain scalars another meaning than PyYAML does:
`010` is 8, `08` is 8 too, `1e3` is a number, `y` and `on` are true, `60:1` is text, and a whole
float is an integer. So this module takes only the parser from PyYAML and interprets plain scalars
by the rules of the Go library. It refuses duplicate keys, as strict field validation does, and
documents whose aliases expand to more values than any run has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

FieldPath = tuple[str | int, ...]

MAX_VALUES = 100_000

_PLAIN = "plain"
_TAG = "tag:yaml.org,2002:"

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES"), True),
    **dict.fromkeys(("true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO"), False),
    **dict.fromkeys(("false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE = re.compile(r"^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")
_WHOLE = re.compile(
    r"^(?P<sign>[-+]?)"
    r"(0[xX](?P<x16>[0-9a-fA-F]+)|0[bB](?P<x2>[01]+)|0[oO]?(?P<x8>[0-7]+)|(?P<x10>0|[1-9][0-9]*))$"
)
_TAGGED: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "null": (type(None),),
}
_POINTED = re.compile(r"^\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text; lines and columns count from 1."""

    line: int
    column: int


class YamlError(ValueError):
    """The text is not usable YAML; `place` and `path` locate the mistake."""

    def __init__(self, message: str, place: Place | None = None, path: FieldPath = ()) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.path = path


@dataclass(slots=True)
class Document:
    """One document: its JSON value, and the place of each value (of its key) by path.

    `written` contains the plain scalars whose text differs from their value, such as `no` and
    `010`.
    """

    value: Any = None
    places: dict[FieldPath, Place] = field(default_factory=dict)
    written: dict[FieldPath, str] = field(default_factory=dict)


def read_documents(text: str) -> list[Document]:
    """Return the documents of a text without the empty ones; raises `YamlError`."""
    if text.lstrip().startswith("{"):
        # JSON allows tabs between tokens, but YAML does not. A JSON string cannot contain a tab.
        text = text.replace("\t", " ")
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]
        documents = [_Builder().document(node) for node in nodes]
    except yaml.MarkedYAMLError as error:
        place = None if error.problem_mark is None else _place(error.problem_mark)
        parts = [part for part in (error.context, error.problem) if part]
        raise YamlError(f"the text is not valid YAML: {', '.join(parts)}", place) from error
    except yaml.reader.ReaderError as error:
        raise YamlError(
            f"the text is not valid YAML: the character U+{error.character:04X} is not allowed",
            _place_of(text, error.position),
        ) from error
    except yaml.YAMLError as error:
        raise YamlError(f"the text is not valid YAML: {error}") from error
    except RecursionError as error:
        raise YamlError("the document is nested too deeply: remove levels") from error
    return [document for document in documents if document.value is not None]


class _Loader(yaml.SafeLoader):
    """PyYAML's parser, with one tag for all plain scalars instead of PyYAML's resolved tags."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        """Return the tag of a node without an explicit tag."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        # types-PyYAML has no types for resolvers.
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _place_of(text: str, position: int) -> Place:
    before = text[:position]
    return Place(before.count("\n") + 1, position - before.rfind("\n"))


class _Builder:
    """Converts the nodes of one document to JSON values."""

    def __init__(self) -> None:
        self._document = Document()
        self._left = MAX_VALUES
        self._open: set[int] = set()

    def document(self, node: yaml.Node) -> Document:
        self._document.places[()] = _place(node.start_mark)
        self._document.value = self._value(node, ())
        return self._document

    def _value(self, node: yaml.Node, path: FieldPath) -> Any:
        self._left -= 1
        if self._left < 0:
            raise YamlError(
                f"the document has more than {MAX_VALUES} values after its aliases are expanded"
            )
        if isinstance(node, yaml.ScalarNode):
            value = _scalar(node, path)
            if node.tag == _PLAIN and value is not None and _shown(value) != node.value:
                self._document.written[path] = node.value
            return value
        if id(node) in self._open:
            raise YamlError("an alias is inside its own anchor: remove it", _place(node.start_mark))
        self._open.add(id(node))
        value = (
            self._mapping(node, path)
            if isinstance(node, yaml.MappingNode)
            else self._sequence(node, path)
        )
        self._open.remove(id(node))
        return value

    def _sequence(self, node: yaml.Node, path: FieldPath) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self._document.places[(*path, index)] = _place(item.start_mark)
            items.append(self._value(item, (*path, index)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in _pairs(node, path):
            key = _key(key_node, path)
            place = _place(key_node.start_mark)
            if key in mapping:
                first = self._document.places[(*path, key)]
                raise YamlError(
                    f"{key} is a duplicate of the key in line {first.line}: remove one of them",
                    place,
                    (*path, key),
                )
            self._document.places[(*path, key)] = place
            mapping[key] = self._value(value_node, (*path, key))
        return mapping


def _pairs(node: yaml.MappingNode, path: FieldPath) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield the pairs of a mapping, with each `<<` replaced by the pairs that it merges."""
    for key, value in node.value:
        if key.tag != _PLAIN or key.value != "<<":
            yield key, value
            continue
        for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(merged, yaml.MappingNode) or merged is node:
                raise YamlError(
                    "<< must have a mapping or a list of mappings as its value",
                    _place(key.start_mark),
                    path,
                )
            yield from _pairs(merged, path)


def _key(node: yaml.Node, path: FieldPath) -> str:
    key = _scalar(node, path) if isinstance(node, yaml.ScalarNode) else None
    if key is None:
        raise YamlError("this key is not text: write it in quotes", _place(node.start_mark), path)
    return _shown(key)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _scalar(node: yaml.ScalarNode, path: FieldPath) -> Any:
    tag, place = node.tag, _place(node.start_mark)
    if tag == _PLAIN:
        return _finite(plain_scalar(node.value), node.value, place, path)
    wanted = _TAGGED.get(tag.removeprefix(_TAG))
    if wanted is None:
        if tag == f"{_TAG}binary":
            raise YamlError("!!binary is not supported: write text", place, path)
        return str(node.value)
    value = _finite(plain_scalar(node.value), node.value, place, path)
    # A bool is an int to Python.
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise YamlError(
            f"{node.value!r} does not match its tag !!{tag.removeprefix(_TAG)}: remove the tag",
            place,
            path,
        )
    return value


def _finite(value: Any, text: str, place: Place, path: FieldPath) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise YamlError(f"JSON has no number {text}: write a finite number", place, path)
    return value


def plain_scalar(text: str) -> bool | int | float | str | None:
    """Return the value that a plain scalar has in Kubernetes; a whole float is an int."""
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.match(text):
        return float(text.replace(".", ""))
    if text[0] not in "+-.0123456789":
        return text
    # After a leading point, the Go library reads underscores as Go does; elsewhere it drops them.
    if text[0] == ".":
        return _number(text, text) if _POINTED.match(text) else text
    plain = text.replace("_", "")
    if (whole := _WHOLE.match(plain)) is not None:
        value = _whole(whole)
        # A number that does not fit 64 bits is a float if it has the form of a float.
        if -(2**63) <= value < 2**64:
            return value
    return _number(text, plain) if _FLOAT.match(plain) else text


def _number(text: str, plain: str) -> int | float | str:
    """Return the number, or the text if the number is too large for a float."""
    number = float(plain)
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() else number


def _whole(match: re.Match[str]) -> int:
    bases = {"x16": 16, "x2": 2, "x8": 8, "x10": 10}
    digits = {group: match[group] for group in bases if match[group] is not None}
    ((group, text),) = digits.items()
    return int(match["sign"] + text, bases[group])

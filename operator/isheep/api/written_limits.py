"""Limits of what a user may write, which stored runs may exceed.

The limits of the schema bound the size of a run, because an object store takes 1.5 MiB: a run has
its spec twice, as the user wrote it and in `status.resolved`. A limit that an upgrade lowers must
not stop a run that exists. API servers check only what an update changes, and the operator reads
stored runs without these limits (`SpecModel.read_stored`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

STORED = "stored"
"""The context with which pydantic validates a stored document."""

_KEYWORDS = {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}


@dataclass(frozen=True, slots=True)
class Most:
    """The largest length of a text, a list or a map, and the pattern of a text."""

    length: int
    pattern: str | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the schema of the type with the check after its own."""
        return core_schema.with_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the JSON Schema of the type with the limits."""
        json_schema = handler(schema)
        json_schema[_KEYWORDS[json_schema["type"]]] = self.length
        if self.pattern is not None:
            json_schema["pattern"] = self.pattern
        return json_schema

    def _checked(self, value: Any, info: ValidationInfo) -> Any:
        if info.context == STORED:
            return value
        if len(value) > self.length:
            if isinstance(value, str):
                raise PydanticKnownError("string_too_long", {"max_length": self.length})
            sizes = {"max_length": self.length, "actual_length": len(value)}
            raise PydanticKnownError("too_long", {"field_type": "List", **sizes})
        if self.pattern is not None and not _compiled(self.pattern).search(value):
            raise PydanticKnownError("string_pattern_mismatch", {"pattern": self.pattern})
        return value


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # RE2, which API servers use, has $ for the end of the text only, as \Z in Python.
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)

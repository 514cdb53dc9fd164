"""The base class and the scalar types of all API objects.

The models are the only source of the CRD, of the defaults and of the reference, so they accept
exactly what an API server accepts with strict field validation. pydantic alone accepts more
("3" for a number, 1 for true), so the scalar types here are strict. A field that is null counts as
absent, and then takes its default if it has one. API servers do the same, although the schema does
not mention null.

The same models have two readers. The command line refuses unknown fields. The operator ignores them
(`SpecModel.read_stored`), so that an older operator can read what a newer one has stored.
"""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from isheep.api.written_limits import STORED


def _whole_number(value: Any) -> Any:
    """Return 3 for 3.0, as API servers do, and any other value unchanged, for pydantic to check."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


Integer = Annotated[int, BeforeValidator(_whole_number), Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Text = StrictStr
Flag = StrictBool

QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"


def _quantity(value: Any) -> Any:
    """Return an integer as text, because `cpu: 4` is allowed in pods."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    Field(
        strict=True,
        max_length=32,
        pattern=QUANTITY_PATTERN,
        # pydantic omits the pattern from the schema of a type with a BeforeValidator.
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "pattern": QUANTITY_PATTERN,
        },
    ),
]

LABEL_KEY_PATTERN = (
    r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"

KEY_CHARACTERS = 100
"""The largest length of a key of a label or an annotation in a spec. Kubernetes allows 317."""

LabelKey = Annotated[Text, Field(pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[Text, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]
ObjectName = Annotated[Text, Field(min_length=1, max_length=253, pattern=NAME_PATTERN)]


def _without_nulls(value: Any) -> Any:
    """Return a map without the keys whose value is null, which API servers treat as absent."""
    if isinstance(value, dict) and None in value.values():
        return {name: item for name, item in value.items() if item is not None}
    return value


Item = TypeVar("Item")
Map = Annotated[dict[str, Item], BeforeValidator(_without_nulls)]


def _is_distinct(value: Any) -> bool:
    """Return whether a member of a class is a field with a list that is a set or a map."""
    extra = value.json_schema_extra if isinstance(value, FieldInfo) else None
    return isinstance(extra, dict) and extra.get("x-kubernetes-list-type") in ("map", "set")


def _check_distinct(cls: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """Refuse duplicates in lists that are sets or maps, as API servers do."""
    extra = cls.model_fields[str(info.field_name)].json_schema_extra
    if not isinstance(value, tuple) or not isinstance(extra, dict):
        return value
    keys = extra.get("x-kubernetes-list-map-keys")
    if isinstance(keys, list):
        items = [tuple(getattr(item, str(key)) for key in keys) for item in value]
    else:
        items = [(item,) for item in value]
    if len(set(items)) < len(items):
        twice = next(item for index, item in enumerate(items) if item in items[:index])
        shown = ", ".join(str(part) for part in twice)
        raise PydanticCustomError(
            "duplicate", "{item} is in the list twice: remove one", {"item": shown}
        )
    return value


class SpecModel(BaseModel):
    """An object of the API: frozen, with snake_case names in Python and camelCase names in YAML."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        """Drop fields that are null, except unknown ones, which another validator refuses."""
        if not isinstance(value, dict):
            return value
        if None not in value.values():
            return value
        known = {alias for name, f in cls.model_fields.items() for alias in (name, f.alias)}
        return {k: v for k, v in value.items() if v is not None or k not in known}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = [name for name, value in vars(cls).items() if _is_distinct(value)]
        if names:
            # A validator of all fields would run for each field in each pass of the operator.
            validator = field_validator(*names, mode="after")(_check_distinct)
            type.__setattr__(cls, "_items_are_distinct", validator)

    @classmethod
    def read(cls, document: Any) -> Self:
        """Return the object for JSON values that a user wrote; raises `ValidationError`."""
        return cls.model_validate(document, by_alias=True, by_name=False)

    @classmethod
    def read_stored(cls, document: Any) -> Self:
        """Return the object for JSON values that an API server stored.

        It ignores unknown fields, and the limits of `written_limits`.
        """
        return cls.model_validate(
            document, by_alias=True, by_name=False, extra="ignore", context=STORED
        )

    def document(self) -> dict[str, Any]:
        """Return the object as JSON values, with defaults and without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class LocalObjectReference(SpecModel):
    """The name of an object in the run's namespace."""

    name: ObjectName = Field(description="Name of the object, in the run's namespace.")


class ConfigMapKeyReference(SpecModel):
    """A key of a ConfigMap in the run's namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap, in the run's namespace.")
    key: Text = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[-._a-zA-Z0-9]+$",
        description="Key of the ConfigMap that holds the file.",
    )

"""How API objects are read: as strictly as on an API server, and null as absent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from isheep.api.assessment import Assessment
from isheep.api.base import SpecModel
from isheep.api.compute import Pool, Resources
from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.training import Training

REQUIRED = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/name"}}


@pytest.mark.parametrize(
    ("value", "read"), [(3, 3), (3.0, 3), (2.5, None), ("3", None), (True, None), ([3], None)]
)
def test_integers_accept_whole_floats_and_no_other_type(value: Any, read: int | None) -> None:
    if read is not None:
        assert Training.read({"maxSamples": value}).max_samples == read
        return
    with pytest.raises(ValidationError):
        Training.read({"maxSamples": value})


@pytest.mark.parametrize(
    ("value", "read"), [(0.5, 0.5), (0, 0.0), ("0.5", None), (False, None), (float("nan"), None)]
)
def test_numbers_accept_no_other_type(value: Any, read: float | None) -> None:
    if read is not None:
        assert Training.read({"validationShare": value}).validation_share == read
        return
    with pytest.raises(ValidationError):
        Training.read({"validationShare": value})


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (4, "4"),
        ("4", "4"),
        ("1.5Gi", "1.5Gi"),
        (0.5, None),
        ("4GB", None),
        (-1, None),
        (True, None),
    ],
)
def test_quantities_are_integers_or_text_with_a_unit(value: Any, read: str | None) -> None:
    if read is not None:
        assert Resources.read({"limits": {"cpu": value}}).limits == {"cpu": read}
        return
    with pytest.raises(ValidationError):
        Resources.read({"limits": {"cpu": value}})


def test_null_counts_as_absent_but_an_unknown_field_with_null_is_refused() -> None:
    spec = SelfAlignmentRunSpec.read({**REQUIRED, "storage": None, "training": None})
    assert spec == SelfAlignmentRunSpec.read(REQUIRED)
    assert Pool.read({"nodeSelector": {"a": None, "b": "c"}}).node_selector == {"b": "c"}
    with pytest.raises(ValidationError, match="unknown"):
        SelfAlignmentRunSpec.read({**REQUIRED, "unknown": None})
    with pytest.raises(ValidationError, match="recipe"):
        SelfAlignmentRunSpec.read({**REQUIRED, "recipe": None})


def test_documents_use_camel_case_names_only() -> None:
    assert Training(max_length=512).max_length == 512
    with pytest.raises(ValidationError):
        Training.read({"max_length": 512})


def test_unknown_fields_of_stored_objects_are_ignored() -> None:
    stored = {**REQUIRED, "newer": 1, "training": {"newer": 1, "maxLength": 512}}
    assert SelfAlignmentRunSpec.read_stored(stored).training.max_length == 512


@pytest.mark.parametrize(
    "document",
    [
        {"env": [{"name": "A", "value": "b"}, {"name": "A", "value": "c"}]},
        {"imagePullSecrets": [{"name": "a"}, {"name": "a"}]},
    ],
)
def test_a_map_in_list_form_with_a_duplicate_key_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="is in the list twice: remove one"):
        Pool.read(document)


def test_a_set_with_a_duplicate_item_is_refused() -> None:
    with pytest.raises(ValidationError, match="is in the list twice: remove one"):
        Assessment.read({"levels": ["Quality", "Quality"]})


def _models(base: type[SpecModel] = SpecModel) -> list[type[SpecModel]]:
    return [base, *(one for child in base.__subclasses__() for one in _models(child))]


@pytest.mark.parametrize("model", _models(), ids=lambda model: model.__name__)
def test_each_list_that_is_a_map_or_a_set_has_the_validator(model: type[SpecModel]) -> None:
    lists = {
        name
        for name, field in model.model_fields.items()
        if isinstance(extra := field.json_schema_extra, dict)
        and extra.get("x-kubernetes-list-type") in ("map", "set")
    }
    validators = model.__pydantic_decorators__.field_validators.values()
    checked = [one.info.fields for one in validators if one.func.__name__ == "_check_distinct"]
    assert lists <= {name for names in checked for name in names}


def test_a_spec_equals_the_spec_from_its_own_document() -> None:
    spec = SelfAlignmentRunSpec.read(REQUIRED)
    assert SelfAlignmentRunSpec.read(spec.document()) == spec

"""Which `--set` values a new start of a run would change."""

import pytest

from isheep.local.changed_values import ChangedValue, changed_values

FIELD = "spec.selection.threshold"
OTHER = "spec.compute.training.resources.limits.nvidia.com/gpu"


def spec(threshold=None, gpus=None):
    document = {} if threshold is None else {"selection": {"threshold": threshold}}
    if gpus is not None:
        document["compute"] = {"training": {"resources": {"limits": {"nvidia.com/gpu": gpus}}}}
    return document


@pytest.mark.parametrize(
    ("stored", "stored_spec", "given", "now", "expected"),
    [
        # The same values again.
        ({FIELD: 5}, spec(5), {FIELD: 5}, spec(5), []),
        # Without them, with another value, with one more, and with a removed field.
        ({FIELD: 5}, spec(5), {}, spec(), [ChangedValue(FIELD, 5, None)]),
        ({FIELD: 5}, spec(5), {}, spec(7), [ChangedValue(FIELD, 5, 7)]),
        ({FIELD: 5}, spec(5), {FIELD: 6}, spec(6), [ChangedValue(FIELD, 5, 6)]),
        ({FIELD: 5}, spec(5), {FIELD: 5, OTHER: 2}, spec(5, 2), [ChangedValue(OTHER, None, 2)]),
        ({FIELD: None}, spec(), {}, spec(7), [ChangedValue(FIELD, None, 7)]),
        # The value is in the file now.
        ({FIELD: 5}, spec(5), {}, spec(5), []),
        # Nothing was set before, and edits of the file need no option.
        ({}, spec(7), {FIELD: 5}, spec(5), []),
        ({FIELD: 5}, spec(5, 1), {FIELD: 5}, spec(5, 2), []),
    ],
)
def test_a_field_that_was_set_and_gets_another_value_changes(
    stored, stored_spec, given, now, expected
):
    assert changed_values(stored, stored_spec, given, now) == expected

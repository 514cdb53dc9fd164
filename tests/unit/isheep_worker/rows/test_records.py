"""Records that users write: the message about each fault has its place and the remedy."""

import pytest

from isheep_worker.rows.records import RecordError, as_object, json_type, json_value, text_field


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\xff", "f, line 3: is not UTF-8 (byte 1 of the line); save the file as UTF-8"),
        (b'{"a" 1}', "f, line 3, column 6: is not JSON (Expecting ':' delimiter)"),
        (b"[" * 100_000, "f, line 3"),
        (b"null", "f, line 3: is null, not an object; write each record as"),
    ],
)
def test_a_line_that_is_not_an_object_is_refused(line: bytes, message: str) -> None:
    with pytest.raises(RecordError) as error:
        as_object(json_value(line, "f, line 3"), "f, line 3")
    assert str(error.value).startswith(message)


def test_text_fields_are_stripped_and_optional_ones_may_be_missing() -> None:
    record = json_value('{"a": " ü\\n", "b": 1, "c": " "}'.encode(), "x")
    assert text_field(record, "a", "x", required=True) == "ü"
    assert text_field(record, "c", "x") == text_field(record, "d", "x") == ""
    for name, message in [("b", "is a number"), ("c", "is blank"), ("d", "is missing")]:
        with pytest.raises(RecordError, match=f"x: field 'in.{name}' {message}"):
            text_field(record, name, "x", prefix="in.", required=True)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({}, "an object"),
        ([], "a list"),
        (True, "a boolean"),
        (None, "null"),
        (1.5, "a number"),
        (b"", "of type bytes"),
    ],
)
def test_types_have_their_json_names(value: object, name: str) -> None:
    assert json_type(value) == name

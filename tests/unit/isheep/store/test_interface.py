from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from isheep.store.interface import PRIVATE_SEGMENT, check_key, check_metadata, check_prefix


def _is_valid(key: str) -> bool:
    try:
        check_key(key)
    except ValueError:
        return False
    return True


@given(st.text(alphabet="ab./\\ \0\n~é", max_size=12))
def test_a_valid_key_is_a_relative_path_in_its_only_spelling(key: str) -> None:
    if _is_valid(key):
        path = PurePosixPath(key)
        assert not path.is_absolute()
        assert str(path) == key
        assert not {"..", ".", ""} & set(key.split("/"))


@given(st.lists(st.sampled_from(["ns", "stages", "0af3", "part-00000.jsonl.zst", PRIVATE_SEGMENT])))
def test_keys_that_our_code_makes_are_valid(segments: list[str]) -> None:
    expected = bool(segments) and PRIVATE_SEGMENT not in segments
    assert _is_valid("/".join(segments)) is expected


def test_valid_prefixes_are_returned_unchanged() -> None:
    for prefix in ("", "a", "a/", "a/b", "a/part-"):
        assert check_prefix(prefix) == prefix


def test_metadata_is_copied() -> None:
    given_metadata = {"a": "b"}
    checked = check_metadata(given_metadata)
    given_metadata["a"] = "c"
    assert checked == {"a": "b"}
    assert check_metadata(None) == {}

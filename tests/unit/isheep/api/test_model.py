"""The URIs of models and data: no path leads out of its bucket or its claim."""

from __future__ import annotations

import re

import pytest

from isheep.api.model import STORAGE_URI_PATTERN


@pytest.mark.parametrize(
    "uri",
    [
        "hf://org/name",
        "s3://bucket/models/llama-3.1",
        "s3://bucket/a//b/",
        "pvc://claim/models/.cache/tiny",
        "pvc://claim/a/...b",
        "file:///home/me/../models/tiny",
    ],
)
def test_a_uri_may_have_dots_in_its_names(uri: str) -> None:
    assert re.search(STORAGE_URI_PATTERN, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "pvc://claim/../../proc/self",
        "pvc://claim/models/..",
        "pvc://claim/./models",
        "pvc://claim//../x",
        "s3://bucket/../other/model",
        "s3://bucket/" + "a/" * 400 + "..",
    ],
)
def test_no_segment_of_a_path_consists_of_dots(uri: str) -> None:
    assert not re.search(STORAGE_URI_PATTERN, uri)


@pytest.mark.parametrize("scheme", ["s3://bucket/a", "pvc://claim/a", "file:///a"])
@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\x1b", "\x7f"])
def test_a_uri_has_no_control_characters(scheme: str, character: str) -> None:
    assert re.search(STORAGE_URI_PATTERN, f"{scheme} \u00e4/b")
    assert not re.search(STORAGE_URI_PATTERN, f"{scheme}{character}b")
    assert not re.search(STORAGE_URI_PATTERN, f"{scheme}/{character}b/c")

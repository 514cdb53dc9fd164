import pytest

from isheep.contract.mirrors import mirrored


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("hf://org/name", "/models/name"),
        ("hf://org/name-instruct", "hf://org/name-instruct"),
        ("hf://other/name", "/mirror/other/name"),
        ("s3://bucket/x", "s3://bucket/x"),
    ],
)
def test_the_longest_mirrored_prefix_is_replaced(uri: str, expected: str) -> None:
    mirrors = {"hf://org/name": "/models/name", "hf://other": "/mirror/other"}
    assert mirrored(uri, mirrors) == expected


@pytest.mark.parametrize(
    ("mirrors", "expected"),
    [
        ({"hf://org": "s3://bucket/models/org"}, "s3://bucket/models/org/name"),
        ({"hf://org": "s3://bucket/models/org/"}, "s3://bucket/models/org/name"),
        ({"hf://": "s3://bucket/hub"}, "s3://bucket/hub/org/name"),
        ({"hf://": "/models"}, "/models/org/name"),
        (
            {"hf://org": "pvc://claim/models", "pvc://claim": "/mnt/pvc/claim"},
            "/mnt/pvc/claim/models/name",
        ),
        ({"hf://org/name": "pvc://claim", "pvc://claim": "/mnt/pvc/claim"}, "/mnt/pvc/claim"),
        ({"hf://org": "hf://copy", "hf://copy": "hf://org"}, "hf://org/name"),
        ({"hf://org": "hf://org/org"}, "hf://org/org/name"),
        ({"hf://": "hf://copies", "hf://copies": "/copies"}, "/copies/org/name"),
        ({"hf://or": "/wrong", "hf://org/name/": "/wrong"}, "hf://org/name"),
    ],
)
def test_a_mirror_may_be_another_uri_and_each_mirror_is_used_once(
    mirrors: dict[str, str], expected: str
) -> None:
    assert mirrored("hf://org/name", mirrors) == expected

"""A text of a template is split at its control tokens, and nothing of it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from isheep_worker.templates.control_tokens import special_ids, split_at_controls


@pytest.mark.parametrize(
    ("text", "head", "tail", "controls"),
    [
        ("plain", "plain", "plain", 0),
        ("", "", "", 0),
        ("a<|im_end|>b", "a", "b", 1),
        ("a<|im_end|>\n<|im_start|>user\n", "a", "user\n", 2),
        ("<|im_start|>", "", "", 1),
    ],
)
def test_the_parts_are_around_the_control_tokens(
    tiny_model_dir: Path, text: str, head: str, tail: str, controls: int
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    encoded = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    found = split_at_controls(encoded, text, special_ids(tokenizer))
    assert (found.head, found.tail, len(found.controls)) == (head, tail, controls)
    if controls:
        ids = list(encoded.ids)
        assert found.ids_between[0] == found.controls[0] == found.ids_from_first[0]
        assert found.ids_between[-1] == found.controls[-1] == found.ids_to_last[-1]
        after = found.ids_from_first[len(found.ids_between) :]
        assert [*found.ids_to_last, *after] == ids
    else:
        assert not found.ids_between

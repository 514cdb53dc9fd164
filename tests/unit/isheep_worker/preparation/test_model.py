"""The resolved maximum length: the spec's, or what the run needs, within the model's own."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep_worker.inputs.model_files import ModelFiles
from isheep_worker.preparation.model import resolve_max_length
from isheep_worker.runtime.errors import BadInputError


def spec_of(**members: Any) -> SelfAlignmentRunSpec:
    document = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/name"}}
    return SelfAlignmentRunSpec.read({**document, **members})


def model(own: int | None) -> ModelFiles:
    return ModelFiles("digest", "Llama", "bfloat16", own)


@pytest.mark.parametrize(
    ("own", "needed", "length"),
    [
        # 1,000 tokens of instructions.sampling.maxTokens more, rounded up to a multiple of 256
        (131_072, 2000, 3072),
        (131_072, 2072, 3072),
        (131_072, 2073, 3328),
        (2048, 2000, 2048),
        (None, 2000, 3072),
    ],
)
def test_without_a_length_the_run_gets_what_it_needs(
    own: int | None, needed: int, length: int
) -> None:
    assert resolve_max_length(spec_of(), model(own), needed) == length


def test_the_length_of_the_spec_is_used_as_it_is() -> None:
    spec = spec_of(engine={"vllm": {"maxModelLength": 1500}})
    assert resolve_max_length(spec, model(2048), 2000) == 1500


def test_a_length_above_the_models_own_is_refused() -> None:
    spec = spec_of(engine={"vllm": {"maxModelLength": 4096}})
    with pytest.raises(BadInputError, match="maxModelLength: 4096, but the model was made for"):
        resolve_max_length(spec, model(2048), 10)

"""The sizes of `isheep init`: they agree with the page about sizes, and are found by a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isheep.cli.new_run.run_sizes import SIZES, Size, size_named, size_of_model

PAGE = (Path(__file__).parents[5] / "docs/how-to/size-a-run.md").read_text("utf-8")
ON_GPUS = [size for size in SIZES if size.gpus]


def gigabytes(size: Size) -> list[float]:
    """Return the row of a model: weights, inference, smallest training, faster training."""
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {size.name.upper()} |")]
    return [float(cell) for cell in re.findall(r"([\d.]+) GB", rows[0])]


@pytest.mark.parametrize("size", ON_GPUS, ids=lambda size: size.name)
def test_the_gpus_have_the_memory_that_the_page_states(size: Size) -> None:
    weights, inference, smallest, _ = gigabytes(size)
    assert inference <= size.gpus * size.gpu_gigabytes
    # Each GPU has its share of the weights, and its own micro-batch.
    assert weights / size.gpus + (smallest - weights) <= size.gpu_gigabytes
    assert weights <= size.memory


def test_every_size_of_the_page_is_there() -> None:
    rows = re.findall(r"^\| ([\d.]+B) \|", PAGE, re.MULTILINE)
    assert [size.name.upper() for size in ON_GPUS] == rows


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_a_size_is_found_by_its_name_and_by_its_model(size: Size) -> None:
    assert size_named(size.name.upper()) is size
    assert size_of_model(size.model) is size


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("hf://meta-llama/Llama-3.1-8B-Instruct", "7b"),
        ("hf://google/gemma-2-9b", "14b"),
        ("hf://HuggingFaceTB/SmolLM2-1.7B", "7b"),
        ("hf://HuggingFaceTB/SmolLM2-360M", "0.5b"),
        ("hf://org/llama-70b-hf", "72b"),
        ("s3://bucket/7b/model", None),
        ("hf://org/llama-405B", None),
        ("hf://org/v2.5-model", None),
        ("", None),
    ],
)
def test_the_size_of_another_model_has_enough_memory(model: str, name: str | None) -> None:
    found = size_of_model(model)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("text", "hint"), [("8b", "for this one, 7b"), ("13B", "14b"), ("big", "72b"), ("", "135m")]
)
def test_an_unknown_size_is_refused_with_those_that_exist(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r"sizes 135m, 0\.5b, .*") as found:
        size_named(text)
    assert hint in str(found.value)

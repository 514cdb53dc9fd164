"""The figures of a model: metrics with values of items, and those of the whole benchmark."""

from __future__ import annotations

from isheep.cli.evaluation.model_figures import aggregates


def test_a_metric_of_the_whole_benchmark_is_beside_those_with_values_of_items() -> None:
    figures = {
        "alias": "lambada",
        "sample_len": 3,
        "perplexity,none": 12.5,
        "perplexity_stderr,none": 0.5,
        "acc,none": 0.25,
        "acc,strict": 0.5,
        "f1,none": float("nan"),
    }
    found = aggregates({"lambada": figures}, {"acc", "acc,strict"})
    assert found == {"lambada/perplexity,none": 12.5}

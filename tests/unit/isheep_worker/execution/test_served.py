"""The statistics about an endpoint's models: few names, whatever a server returns."""

from __future__ import annotations

from isheep_worker.engines.interface import Completion
from isheep_worker.execution.served import MAX_NAMES, served_statistics


def served(*names: str) -> dict[str, float]:
    return served_statistics(
        Completion(str(n), "8", "stop", 1, 1, served_by=name) for n, name in enumerate(names)
    )


def test_answers_of_a_loaded_model_add_no_statistic() -> None:
    assert served("", "") == {}


def test_answers_are_counted_by_name_and_rare_names_together() -> None:
    assert served("d m a", "d m b", "d m a") == {"served:d m a": 2, "served:d m b": 1}
    found = served("d m a", "d m a", *(f"d m {n}" for n in range(60)))
    assert len(found) == MAX_NAMES + 1
    assert found["served:d m a"] == 2
    assert found["served:others"] == 60 - (MAX_NAMES - 1)

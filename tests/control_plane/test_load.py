"""Three benchmarks of the operator: large runs, runs of all states, and pods that do not answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .harness.cluster import Cluster
from .harness.large_runs import measure_large
from .harness.mixed_runs import MIXTURE, measure_mixed
from .harness.silent_pods import measure_silent

pytestmark = pytest.mark.long

LIMIT_BYTES = 256 * 2**20
"""`resources.limits.memory` of the chart."""
LARGE_RUNS = 100
"""Together they have 135 MB in the store of the API server."""

MIXED_SECONDS = 3 * 3600
"""A time limit for a busy machine."""


@pytest.mark.parametrize("suspended", [True, False], ids=["suspended", "working"])
def test_large_runs_fit_into_the_memory_limit(
    tmp_path: Path, record_property: Callable[[str, object], None], *, suspended: bool
) -> None:
    figures = measure_large(tmp_path, runs=LARGE_RUNS, suspended=suspended)
    record_property("figures", str(figures))
    assert figures.first_peak < LIMIT_BYTES, str(figures)
    assert figures.second_peak < LIMIT_BYTES, str(figures)


@pytest.mark.alone
@pytest.mark.timeout(MIXED_SECONDS)
def test_large_runs_of_all_states_fit_into_the_memory_limit(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """At the start, while new runs come, and after the API server was away and kopf lists again."""
    phases = list(measure_mixed(tmp_path, MIXTURE))
    record_property("figures", "; ".join(map(str, phases)))
    assert max(phase.peak for phase in phases) < LIMIT_BYTES, "\n".join(map(str, phases))


def test_new_runs_start_while_the_pods_of_other_runs_do_not_answer(
    cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The figures are printed; only a defect fails."""
    figures = measure_silent(cluster, tmp_path, working=100, new=20)
    record_property("figures", str(figures))
    assert len(figures.waits) == 20

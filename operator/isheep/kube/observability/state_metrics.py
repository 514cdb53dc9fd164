"""Why runs are in their phases: the metrics of reasons and of stalled runs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from prometheus_client.core import GaugeMetricFamily

from isheep.kube.observability.run_figures import StateFigures

NOT_SEEN = "NotSeen"
"""The reason of a run whose status the operator has not written yet."""


@dataclass(frozen=True, slots=True)
class StateOfRun:
    """The state of one run."""

    namespace: str
    name: str
    phase: str
    figures: StateFigures


def state_families(states: Iterable[StateOfRun], most: int) -> Iterator[GaugeMetricFamily]:
    """Yield the runs by namespace, phase and reason, and since when runs are stalled.

    A failed run is not stalled here: it waits for nothing. At most the `most` runs that are stalled
    for longest are shown, so that the number of series is bounded. Times are in seconds since 1970.
    """
    reasons: Counter[tuple[str, str, str]] = Counter()
    stalled: list[tuple[datetime, tuple[str, str, str]]] = []
    for state in states:
        reason = state.figures.reason or NOT_SEEN
        reasons[state.namespace, state.phase, reason] += 1
        since = state.figures.stalled_since
        if since is not None and state.phase == "Stalled":
            stalled.append((since, (state.namespace, state.name, reason)))
    by_reason = GaugeMetricFamily(
        "isheep_runs_by_reason",
        "Runs by namespace, phase and reason.",
        labels=["run_namespace", "phase", "reason"],
    )
    for labels, number in sorted(reasons.items()):
        by_reason.add_metric(labels, number)
    yield by_reason
    since_when = GaugeMetricFamily(
        "isheep_run_stalled_since_timestamp_seconds",
        "Since when a run waits for something outside of it.",
        labels=["run_namespace", "run", "reason"],
    )
    for time, labels in sorted(stalled, key=itemgetter(0))[:most]:
        since_when.add_metric(labels, time.timestamp())
    yield since_when

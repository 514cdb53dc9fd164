"""The work's progress as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from isheep_worker.process.progress_board import ProgressBoard
from isheep_worker.runtime.meter import Activity

CONTENT_TYPE: str = CONTENT_TYPE_LATEST


class Metrics:
    """Makes the metrics from the board each time they are asked for.

    The registry is its own, so that nothing of this process or of a library is in it.
    """

    def __init__(self, board: ProgressBoard) -> None:
        self._board = board
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        content: bytes = generate_latest(self._registry)
        return content

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics; the registry calls it."""
        report = self._board.report
        stage = [report.stage, self._board.kind_of(report.stage)]
        done = GaugeMetricFamily(
            "isheep_worker_items_done",
            "Items of the stage that are stored, by whichever worker.",
            labels=["stage", "kind"],
        )
        done.add_metric(stage, report.items_done)
        yield done
        total = GaugeMetricFamily(
            "isheep_worker_items_total",
            "Items that the stage will have; absent while nobody knows.",
            labels=["stage", "kind"],
        )
        if report.items_total is not None:
            total.add_metric(stage, report.items_total)
        yield total
        activity = GaugeMetricFamily(
            "isheep_worker_activity",
            "1 for what the worker is doing: loading a model, in the engine, or on the CPU.",
            labels=["activity"],
        )
        for one in Activity:
            activity.add_metric([str(one)], float(one == report.activity))
        yield activity
        yield GaugeMetricFamily(
            "isheep_worker_start_time_seconds",
            "When the worker started, in seconds since the epoch.",
            value=self._board.started_at,
        )

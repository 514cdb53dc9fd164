"""The child's progress as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from isheep_worker.process.progress_board import ProgressBoard
from isheep_worker.runtime.meter import Activity

CONTENT_TYPE: str = CONTENT_TYPE_LATEST


class Metrics:
    """Makes the metrics from the board at each request.

    The registry is separate, so that it contains no metrics of this process or of a library.
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
        """Yield the metrics; the registry calls this method."""
        report = self._board.report
        stage = [report.stage, self._board.kind_of(report.stage)]
        done = GaugeMetricFamily(
            "isheep_worker_items_done",
            "Items of the stage that are stored, counting the items of all workers.",
            labels=["stage", "kind"],
        )
        done.add_metric(stage, report.items_done)
        yield done
        total = GaugeMetricFamily(
            "isheep_worker_items",
            "Number of the stage's items; absent while it is unknown.",
            labels=["stage", "kind"],
        )
        if report.items_total is not None:
            total.add_metric(stage, report.items_total)
        yield total
        activity = GaugeMetricFamily(
            "isheep_worker_activity",
            "1 for the current activity of the worker (load, engine or cpu), 0 for the others.",
            labels=["activity"],
        )
        for one in Activity:
            activity.add_metric([str(one)], float(one == report.activity))
        yield activity
        yield GaugeMetricFamily(
            "isheep_worker_start_time_seconds",
            "Start time of the worker, in seconds since the epoch.",
            value=self._board.started_at,
        )

"""A test harness for the local driver, with a fake worker: a whole run takes a second or two."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty

import pytest

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.store_spec import parse_store_uri
from isheep.local.conclusion import Conclusion
from isheep.local.events import AttemptEnd, AttemptView
from isheep.local.inbox import StopRequested
from isheep.local.session import Session
from isheep.local.stored_run import StoredRun
from isheep.local.worker import Inbox
from isheep.planner.plan import plan
from isheep.planner.types import Environment
from isheep.store import open_store

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")


class RecordingListener:
    """A listener that records the events of a run and can act on progress."""

    def __init__(self) -> None:
        self.started_stages: list[str] = []
        self.ends: list[AttemptEnd] = []
        self.notes: list[str] = []
        self.statuses: list[SelfAlignmentRunStatus] = []
        self.on_progress: Callable[[AttemptView], None] = lambda _: None

    def started(self, attempt: AttemptView) -> None:
        self.started_stages.append(attempt.stage)

    def progressed(self, attempt: AttemptView) -> None:
        self.on_progress(attempt)

    def ended(self, end: AttemptEnd) -> None:
        self.ends.append(end)

    def status(self, status: SelfAlignmentRunStatus) -> None:
        self.statuses.append(status)

    def note(self, text: str) -> None:
        self.notes.append(text)


class SkippedWaits(Inbox):
    """An inbox with its clock. After `skip`, a wait without a message moves the clock only."""

    def __init__(self):
        super().__init__()
        self._now = datetime(2030, 1, 1, tzinfo=UTC)
        self.skip = False

    def __call__(self):
        return self._now

    def get(self, timeout=None):
        try:
            return super().get(timeout=0.01 if self.skip else timeout)
        except Empty:
            self._now += timedelta(seconds=timeout)
            raise


class LocalHarness:
    """A store, a state folder, fake workers, and a record of their events."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.control = folder / "control"
        self.control.mkdir()
        self.environment = {
            **environment,
            "XDG_STATE_HOME": str(folder / "state"),
            "FAKE_ORDERS": str(self.control),
            "CUDA_VISIBLE_DEVICES": "",
        }
        self.store_spec = parse_store_uri(str(folder / "store"))
        self.store = open_store(self.store_spec)
        self.listener = RecordingListener()
        self.inbox = Inbox()
        self.command = (sys.executable, str(FAKE_WORKER))
        self.spec = {
            "recipe": "ISheep",
            "iterations": 1,
            "model": {"storageUri": "hf://org/tiny"},
            "engine": {"type": "Transformers"},
            "instructions": {"count": 64},
            "selection": {"minSamples": 1},
            "yardstick": {"items": 0},
        }

    def behave(self, stage: str, *attempts: str) -> None:
        for number, attempt in enumerate(attempts):
            (self.control / f"{stage.replace('/', '.')}.{number}").write_text(attempt)

    def run(self, name: str = "lamb", planner=plan, clock=None) -> Conclusion:
        self.listener = RecordingListener() if self.listener.ends else self.listener
        session = Session(
            store=self.store,
            planner=planner,
            environment=Environment(default_storage=self.store_spec),
            process_environment=self.environment,
            listener=self.listener,
            inbox=self.inbox,
            command=self.command,
            **({"clock": clock} if clock else {}),
        )
        return session.run("default", name, self.spec, {})

    def stop(self) -> None:
        self.inbox.put(StopRequested())

    def stored(self, name: str = "lamb") -> StoredRun:
        return StoredRun(self.store, "default", name)

    @property
    def orders(self) -> list[tuple[int, str, int, str]]:
        log = self.control / "log.txt"
        rows = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        return [(int(pid), stage, int(attempt), share) for pid, stage, attempt, share in rows]


@pytest.fixture
def harness(tmp_path: Path) -> LocalHarness:
    import os

    return LocalHarness(tmp_path, dict(os.environ))


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the waits before retries to zero; the planner's tests cover the waits."""
    from datetime import timedelta

    from isheep.planner import retry_schedule

    none = timedelta()
    monkeypatch.setattr(retry_schedule, "RETRY_SCHEDULE", (none,) * 3)
    monkeypatch.setattr(retry_schedule, "DISRUPTION_DELAY", none)

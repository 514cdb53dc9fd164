"""kopf's handlers. Each handler calls one method of `operator.Operator`.

The handlers use watch events only, and only as triggers. There are no change handlers, daemons,
timers or finalizers, so kopf never writes into a run.
"""

from __future__ import annotations

from typing import Any

import kopf

from isheep.api.run import GROUP, PLURAL, VERSION
from isheep.kube.names import MANAGED_BY, MANAGED_BY_LABEL
from isheep.kube.process.listing import OUR_JOBS
from isheep.kube.process.operator import Operator

CHUNK = 10
"""Objects in a page of kopf's LISTs; kopf does not adapt it to the size of the objects.

A page of the largest runs has 14 MB, and kopf needs several times that while it reads the page.
"""
BACKOFFS = (1, 1, 2, 3, 5)
"""Seconds between tries of a request; after the last one, `watching` starts kopf again."""


def registry(operator: Operator) -> kopf.OperatorRegistry:
    """Return the handlers of an operator."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers)
    async def configured(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return await operator.login()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def run_changed(event: kopf.RawEvent, **_: Any) -> None:
        operator.run_event(event["type"], event["object"])

    @kopf.on.event("batch", "v1", "jobs", labels={MANAGED_BY_LABEL: MANAGED_BY}, registry=handlers)
    async def job_changed(event: kopf.RawEvent, **_: Any) -> None:
        operator.job_event(event["type"], event["object"])

    return handlers


class NoEssence(kopf.DiffBaseStorage):
    """Stores no last-seen state of objects, because kopf would copy each object at each event."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Return an empty state."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """Return nothing."""

    def store(self, **_: Any) -> None:
        """Do nothing."""


class NoProgress(kopf.ProgressStorage):
    """Stores no progress of handlers, because event handlers have none."""

    def fetch(self, **_: Any) -> None:
        """Return nothing."""

    def store(self, **_: Any) -> None:
        """Do nothing."""

    def purge(self, **_: Any) -> None:
        """Do nothing."""

    def touch(self, **_: Any) -> None:
        """Do nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Return the state unchanged."""
        return essence


def configure(settings: kopf.OperatorSettings) -> None:
    """Configure kopf to watch and to do nothing else."""
    settings.persistence.diffbase_storage = NoEssence()
    settings.persistence.progress_storage = NoProgress()
    # kopf keeps the last event of each object for this time, with the whole object.
    settings.queueing.idle_timeout = 0.1
    # An operator that stops must release its Lease soon.
    settings.queueing.exit_timeout = 0.5
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.networking.error_backoffs = BACKOFFS
    settings.networking.request_timeout = 60
    settings.watching.chunk_size = CHUNK
    settings.watching.label_selectors["batch", "v1", "jobs"] = OUR_JOBS
    settings.process.ultimate_exiting_timeout = None

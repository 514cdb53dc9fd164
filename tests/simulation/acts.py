"""What people and the cluster do during a simulation: one function for each kind of act."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .api_server import JOBS, PODS, RUNS, Json, collection
from .clock import monotonic
from .faults import Act
from .job_controller import is_finished
from .nodes import NAMES as NODES
from .nodes import RUN_UID
from .queue import QUEUE_LABEL, QUEUES, is_queued

if TYPE_CHECKING:
    from .world import World


SEEN_SECONDS = 0.4
"""How long after the begin of a deletion the watches are silent: they have reported the begin."""
EVICTED_SECONDS = (30.0, 60.0)
"""How long after the eviction of all pods another operator starts: most of them are gone."""
TOGETHER_SECONDS = (0.0, 10.0)
"""How long two operators work before one of them is cut off."""
LONG_SECONDS = 86400
"""The deadline that somebody gives a run whose deadline was too short."""
NEXT_SECONDS = (0.1, 4.0)
"""How soon the next operator starts when an operator is updated."""
NEXT_NODE_SECONDS = 30.0
"""How often somebody looks for the node of the next attempt."""


def perform(world: World, act: Act) -> None:
    """Perform an act."""
    _ACTS[act.kind](world, act)


def edit(world: World, place: str, changes: Json) -> None:
    """Edit the spec of a run: merge members of objects, and replace other fields."""
    found = world.server.objects.get(place)
    if found is None:
        return
    world.server.change(place, spec=_merged(found["spec"], changes))


def _merged(spec: Json, changes: Json) -> Json:
    merged = dict(spec)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(spec.get(name), dict)
        merged[name] = _merged(spec[name], value) if both else value
    return merged


def retry(world: World, place: str) -> None:
    """Set the annotation that requests a retry to a new value."""
    world.retries += 1
    annotations = {"isheep.dev/retry": str(world.retries)}
    world.server.change(place, metadata={"annotations": annotations})


def perform_on(world: World, act: Act, place: str) -> None:
    """Perform an act on the run of a path."""
    _ON_RUNS[act.kind](world, act, place)


def _run(world: World) -> str | None:
    places = [place for place, _ in world.server.members(RUNS)]
    return world.chance.choice(places) if places else None


def _job(world: World) -> str | None:
    places = [p for p, job in world.server.members(JOBS) if not is_finished(job)]
    return world.chance.choice(places) if places else None


def _partition(world: World, act: Act) -> None:
    world.network.cut_until = max(world.network.cut_until, monotonic() + act.seconds)


def _silence(world: World, act: Act) -> None:
    for process in world.processes:
        for informer in process.informers:
            if world.chance.random() < 0.7:
                informer.silent_until = monotonic() + act.seconds
                informer.loses = bool(act.value)
                world.scheduler.later(act.seconds, informer.notice)


def _delay(world: World, act: Act) -> None:
    for process in world.processes:
        for informer in process.informers:
            informer.delay = min(act.seconds, 20.0)


def _compact(world: World, _: Act) -> None:
    world.server.compact()


def _clock(world: World, act: Act) -> None:
    world.wall.offset += act.value


def _store_down(world: World, act: Act) -> None:
    world.store.unreachable_until = monotonic() + act.seconds


def _restart(world: World, act: Act) -> None:
    world.scheduler.task(world.deployment.restart(graceful=bool(act.value)))


def _second(world: World, act: Act) -> None:
    world.scheduler.task(world.deployment.overlap(act.seconds, graceful=bool(act.value)))


def _hand_over(world: World, act: Act, _: str | None = None) -> None:
    """Evict the pods; later start another operator, and cut off the first one until it ends."""
    _evict_all(world, act)

    def start() -> None:
        process = next(iter(world.processes), None)
        if process is not None:
            together = world.chance.uniform(*TOGETHER_SECONDS)
            ends = world.deployment.overlap(together + act.seconds, graceful=bool(act.value))
            world.scheduler.task(ends)
            world.scheduler.later(together, lambda: process.cut_off(act.seconds))

    world.scheduler.later(world.chance.uniform(*EVICTED_SECONDS), start)


def _edit(world: World, act: Act) -> None:
    if (place := _run(world)) is not None:
        _edit_run(world, act, place)


def _edit_run(world: World, act: Act, place: str) -> None:
    edit(world, place, act.value)


def _raise_deadline(world: World, _: Act, place: str) -> None:
    edit(world, place, {"activeDeadlineSeconds": LONG_SECONDS})


def _suspend(world: World, act: Act) -> None:
    if (place := _run(world)) is not None:
        _suspend_run(world, act, place)


def _suspend_run(world: World, act: Act, place: str) -> None:
    edit(world, place, {"suspend": True})
    world.scheduler.later(act.seconds, lambda: edit(world, place, {"suspend": False}))


def _retry(world: World, _: Act) -> None:
    if (place := _run(world)) is not None:
        retry(world, place)


def _delete_run(world: World, act: Act) -> None:
    if (place := _run(world)) is None:
        return
    delete_run(world, place, again=bool(act.value))
    if world.chance.random() < 0.6:
        # An operator that starts now has never seen the run.
        world.plan.note(str(Act("restart", value=False)))
        world.scheduler.task(world.deployment.restart(graceful=False))


def _delete_others(world: World, _: Act, place: str, *, again: bool = False) -> None:
    """Delete the runs for which the run of a path may wait; somebody may create them again."""
    for other, _document in world.server.members(RUNS):
        if other != place:
            delete_run(world, other, again=again)


def _delete_at_start(world: World, act: Act, place: str) -> None:
    """Delete the runs for which a run may wait, while somebody updates the operator."""
    _delete_others(world, act, place, again=True)
    for noted in (Act("delete-run", value=True), Act("restart", value=True)):
        world.plan.note(str(noted))
    pause = world.chance.uniform(*NEXT_SECONDS)
    world.scheduler.task(world.deployment.restart(graceful=True, pause=pause))


def delete_run(world: World, place: str, *, again: bool) -> None:
    """Delete a run, and create a run with its name soon if `again` is True."""
    document = world.server.objects[place]
    world.server.remove(place)
    if again:
        # Nobody resumes a run that was suspended when it was deleted.
        name, spec = document["metadata"]["name"], {**document["spec"], "suspend": False}
        labels = document["metadata"].get("labels") or {}
        pause = world.chance.choice((1.0, 5.0, 20.0))
        world.scheduler.later(pause, lambda: world.create_run(name, spec, labels))


def _delete_job(world: World, act: Act) -> None:
    if (place := _job(world)) is not None:
        world.server.delete(place, {"propagationPolicy": act.value})


def _lose_deletion(world: World, act: Act) -> None:
    """Delete a Job whose end no watch reports for a time."""
    if (place := _job(world)) is None:
        return
    world.server.delete(place, {"propagationPolicy": "Foreground"})

    def silence() -> None:
        for process in world.processes:
            for informer in process.informers:
                informer.silent_until = monotonic() + act.seconds

    world.scheduler.later(SEEN_SECONDS, silence)


def _suspend_job(world: World, act: Act) -> None:
    if (place := _job(world)) is None:
        return
    if is_queued(world.server.objects[place]):
        world.queue.preempt(place, act.seconds)
        return
    uid = world.server.objects[place]["metadata"]["uid"]

    def suspend(value: bool) -> None:
        found = world.server.objects.get(place)
        if found is not None and found["metadata"]["uid"] == uid:
            world.server.change(place, spec={**found["spec"], "suspend": value})

    suspend(True)
    world.scheduler.later(act.seconds, lambda: suspend(False))


def _move_queue(world: World, _: Act) -> None:
    """Put a run into another queue, if it is in one."""
    if (place := _run(world)) is None:
        return
    labels = world.server.objects[place]["metadata"].get("labels") or {}
    if QUEUE_LABEL in labels:
        other = next(name for name in QUEUES if name != labels[QUEUE_LABEL])
        world.server.change(place, metadata={"labels": {**labels, QUEUE_LABEL: other}})


def _lose_node(world: World, act: Act) -> None:
    """Let the node of a pod that runs, or any node, be silent."""
    names = [
        str(pod["spec"]["nodeName"])
        for _, pod in world.server.members(PODS)
        if pod["status"].get("phase") == "Running"
    ]
    node = world.chance.choice(names or list(NODES))
    frozen, evicts = act.value
    world.nodes.lose(node, act.seconds, frozen=frozen, evicts=evicts)


def _lose_each_node(world: World, act: Act) -> None:
    """Let the node of each attempt of a run be silent for a time, until no node is left."""
    runs: set[str] = set()

    def lose() -> None:
        running = {
            str(pod["spec"]["nodeName"]): str(pod["metadata"]["labels"][RUN_UID])
            for _, pod in world.server.members(PODS)
            if pod["status"].get("phase") == "Running"
        }
        for node, run in sorted(running.items()):
            runs.update(() if runs else (run,))
            if run in runs:
                world.nodes.lose(node, act.seconds, frozen=True, evicts=False)
        if {one.node for one in world.nodes.silences} != set(NODES) and monotonic() < until:
            world.scheduler.later(NEXT_NODE_SECONDS, lose)

    until = monotonic() + act.seconds
    lose()


def _unlabel_job(world: World, act: Act) -> None:
    """Remove the labels of a Job, and set them again later."""
    if (place := _job(world)) is None:
        return
    labels: Any = world.server.objects[place]["metadata"]["labels"]
    world.server.change(place, metadata={"labels": {}})

    def restore() -> None:
        if place in world.server.objects:
            world.server.change(place, metadata={"labels": labels})

    world.scheduler.later(act.seconds, restore)


def _overwrite_status(world: World, _: Act) -> None:
    if (place := _run(world)) is not None:
        changed = world.server.change(place, status={})
        world.exempt.add(int(changed["metadata"]["resourceVersion"]))


def _evict_all(world: World, _: Act) -> None:
    for place, pod in world.server.members(PODS):
        if pod["status"].get("phase") in ("Pending", "Running"):
            world.server.delete(place, {})


_ON_RUNS: dict[str, Callable[[World, Act, str], None]] = {
    "edit": _edit_run,
    "raise-deadline": _raise_deadline,
    "suspend": _suspend_run,
    "delete-run": _delete_others,
    "delete-run-at-start": _delete_at_start,
    "hand-over": _hand_over,
    "unlabel-job": lambda world, act, _: _unlabel_job(world, act),
    "lose-deletion": lambda world, act, _: _lose_deletion(world, act),
    "evict-all": lambda world, act, _: _evict_all(world, act),
}
_ACTS = {
    "partition": _partition,
    "silence": _silence,
    "delay": _delay,
    "compact": _compact,
    "clock": _clock,
    "store-down": _store_down,
    "store-away": _store_down,
    "restart": _restart,
    "second-operator": _second,
    "edit": _edit,
    "suspend": _suspend,
    "retry": _retry,
    "delete-run": _delete_run,
    "delete-job": _delete_job,
    "suspend-job": _suspend_job,
    "move-queue": _move_queue,
    "lose-node": _lose_node,
    "lose-each-node": _lose_each_node,
    "unlabel-job": _unlabel_job,
    "overwrite-status": _overwrite_status,
    "evict-all": _evict_all,
}
__all__ = ["collection", "delete_run", "edit", "perform", "perform_on", "retry"]

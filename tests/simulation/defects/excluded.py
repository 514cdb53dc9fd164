"""Mutants that the search leaves out, with the reason: no seed can find them.

An equivalent mutant makes no difference in any sequence of events. A function outside of the
simulation needs something that the simulation does not have; other tests have it. `survivors.md`
has the same tables for people, and the survivors that are neither.
"""

from __future__ import annotations

from collections.abc import Mapping

OUTSIDE: Mapping[str, str] = {
    "isheep.kube.pods.pod_endings:_lingers_failed": "no sidecars; tests/control_plane/test_pods.py",
    "isheep.kube.passes.claims:scope_of": "one store for all runs; unit tests have others",
    "isheep.kube.passes.pod_inspection:PodInspector._events": (
        "no Events of Jobs and pods; tests/unit/isheep/kube/passes/test_pod_inspection.py has them"
    ),
    "isheep.kube.pods.pod_waiting:why_no_pods": "no Events of Jobs; tests/control_plane has them",
    "isheep.kube.passes.attempts:_job_message": "a text for people",
    "isheep.kube.passes.polls:_progress": "the counts of items, which only people read",
    "isheep.kube.process.operator:Operator._spawn": "no /healthz, which reads the tasks",
    "isheep.kube.passes.pod_inspection:PodInspector._namespace_is_going": (
        "no namespaces; tests/control_plane/test_conflicts.py deletes one"
    ),
    "isheep.kube.pods.pod_endings:only_others_failed": (
        "no sidecars; tests/unit/isheep/kube/pods has them"
    ),
    **dict.fromkeys(
        (
            "isheep.kube.cache.unreadable:Unreadable.uids",
            "isheep.kube.cache.unreadable:Unreadable.keep",
            "isheep.kube.cache.unreadable:Unreadable.drop",
        ),
        "each object can be read; tests/unit/isheep/kube/cache/test_unreadable.py has others",
    ),
    "isheep.kube.pods.pod_results:_finite": (
        "workers report finite numbers; tests/unit/isheep/kube/pods/test_pod_results.py"
    ),
    "isheep.planner.restart:takes_new_image": "one worker image; tests of upgrades have two",
    "isheep.planner.expiry:tracked_by": "no tool tracks a run; unit tests of the planner have them",
}
"""By the place of the function."""
EQUIVALENT: Mapping[tuple[str, str], str] = {
    (
        "isheep.kube.passes.polls:_first_bytes",
        "len(content) < limit becomes LtE",
    ): "a read of nothing ends the loop",
    (
        "isheep.planner.gpu_accounting:_held",
        "stopped_at <= pod.until becomes Lt",
    ): "for equal times, both branches have the same result",
    (
        "isheep.kube.cache.cache:Cache.update_job",
        "self.put_job(job) and (not _is_same_content(known, job)) becomes Or",
    ): "a pass without news changes nothing",
    (
        "isheep.planner.plan:_ended",
        "run.status.resolved is not None and 'prepared' in run.status.resolved becomes Or",
    ): "before prepare has committed, no attempt leaves the plan",
    (
        "isheep.kube.passes.forgotten_jobs:ForgottenJobs.find",
        "the constant False is changed",
    ): "a pass without news changes nothing",
    (
        "isheep.kube.cache.cache:RecordStore.put",
        "the constant 1 is changed",
    ): "no object has the version -1 or -2",
    (
        "isheep.kube.process.listing:Lister.refresh",
        "self._monotonic() - listed[1] < FRESH_SECONDS becomes LtE",
    ): "a LIST that is not needed finds nothing new",
    (
        "isheep.kube.pods.pod_records:_termination",
        "the constant 0 is changed",
    ): "each container that has ended has an exit code",
    (
        "isheep.planner.pinning:spec_of",
        "the constant 1 is changed",
    ): "the size of a cache",
    (
        "isheep.planner.pinning:pin",
        "run.status.resolved is not None becomes Is",
    ): "the key of prepare is computed again with the same result",
    (
        "isheep.planner.pinning:pin",
        "before.prepared is not None becomes Is",
    ): "the key of prepare is computed again with the same result",
}
"""By the place of the function and the text of the change."""


def why_excluded(place: str, name: str) -> str | None:
    """Return why a mutant at a place is left out, or None; `name` ends with the change."""
    equivalent = (reason for (at, text), reason in EQUIVALENT.items() if name == f"{at}: {text}")
    return OUTSIDE.get(place) or next(equivalent, None)

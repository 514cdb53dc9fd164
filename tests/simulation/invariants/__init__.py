"""What no sequence of faults may break: one invariant a file, each a pure function of a history.

An invariant returns a sentence for each violation.
"""

from __future__ import annotations

from collections.abc import Callable

from ..history import History
from . import (
    avoids_lost_nodes,
    committed_once,
    committed_stays,
    ends_or_explains,
    explains_waits,
    follows_exit_codes,
    forgets,
    gpu_pods,
    gpu_sums,
    gpu_time,
    keeps_waiting,
    leaves_lost_nodes,
    lost_in_time,
    names_failures,
    no_defects,
    no_ghosts,
    no_idle_gpus,
    no_orphans,
    no_stale_work,
    no_step_back,
    oldest_first,
    one_dataset,
    one_job,
    one_walk,
    one_writer,
    reacts,
    reads_progress,
    same_outcome,
    shows_waits,
    stays_over,
    stops_for_a_cause,
    stops_replaced,
    true_attempts,
    true_counts,
    true_ending,
    true_failure,
    true_figures,
    true_finalizers,
    true_jobs,
    true_phases,
    true_queue,
    true_reasons,
    true_requests,
    true_results,
    true_status,
    waits_for_makers,
)

Invariant = Callable[[History], list[str]]

INVARIANTS: dict[str, Invariant] = {
    "one-dataset": one_dataset.violations,
    "committed-once": committed_once.violations,
    "committed-stays": committed_stays.violations,
    "oldest-first": oldest_first.violations,
    "one-job": one_job.violations,
    "one-walk": one_walk.violations,
    "one-writer": one_writer.violations,
    "true-requests": true_requests.violations,
    "no-step-back": no_step_back.violations,
    "reacts": reacts.violations,
    "keeps-waiting": keeps_waiting.violations,
    "avoids-lost-nodes": avoids_lost_nodes.violations,
    "lost-in-time": lost_in_time.violations,
    "leaves-lost-nodes": leaves_lost_nodes.violations,
    "true-status": true_status.violations,
    "true-counts": true_counts.violations,
    "true-ending": true_ending.violations,
    "true-attempts": true_attempts.violations,
    "true-failure": true_failure.violations,
    "true-figures": true_figures.violations,
    "true-finalizers": true_finalizers.violations,
    "true-jobs": true_jobs.violations,
    "true-queue": true_queue.violations,
    "true-reasons": true_reasons.violations,
    "true-results": true_results.violations,
    "gpu-time": gpu_time.violations,
    "no-idle-gpus": no_idle_gpus.violations,
    "no-ghosts": no_ghosts.violations,
    "no-orphans": no_orphans.violations,
    "ends-or-explains": ends_or_explains.violations,
    "same-outcome": same_outcome.violations,
    "explains-waits": explains_waits.violations,
    "follows-exit-codes": follows_exit_codes.violations,
    "forgets": forgets.violations,
    "names-failures": names_failures.violations,
    "reads-progress": reads_progress.violations,
    "stays-over": stays_over.violations,
    "true-phases": true_phases.violations,
    "waits-for-makers": waits_for_makers.violations,
    "shows-waits": shows_waits.violations,
    "stops-for-a-cause": stops_for_a_cause.violations,
    "stops-replaced": stops_replaced.violations,
    "gpu-sums": gpu_sums.violations,
    "gpu-pods": gpu_pods.violations,
    "no-stale-work": no_stale_work.violations,
    "no-defects": no_defects.violations,
}


def violations(history: History) -> list[str]:
    """Return the violations of all invariants, each with the name of its invariant."""
    return [f"{name}: {text}" for name, check in INVARIANTS.items() for text in check(history)]

"""What follows an iteration: the model that writes the next one, or the end of the run.

Only a rule of `safeguards` or `stopping` decides, by the statistics of the newest verdict. Without
such a rule, M(t) writes iteration t + 1 and nothing waits for a verdict. The decision of an
iteration that has begun is final, see `pinned_spec`.
"""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import GUARD_RULE_NAMES, VERDICT_ACTIONS
from isheep.recipes.builders.context import RunContext
from isheep.recipes.evaluation import Evaluations
from isheep.recipes.interface import UNDECIDED, EarlyStop, End, Statistics, has_failed
from isheep.recipes.pinned_spec import decided_writers


def waits_for_verdicts(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether an iteration starts only after the verdict on the model before it."""
    acts = spec.safeguards is not None and spec.safeguards.acts
    return acts or spec.stopping is not None


def next_writer(run: RunContext, found: Evaluations, t: int) -> int | End:
    """Return the t of the model that writes iteration t + 1, or the end of the run after t."""
    decided = decided_writers(run.spec)
    if t < len(decided):
        return decided[t]
    if not waits_for_verdicts(run.spec):
        return t
    if t not in found.verdicts or has_failed(found.verdicts[t]):
        return End(complete=False, missing=_missing(t))
    result = found.verdicts[t]
    return UNDECIDED if result is None else _decision(run, t, result)


def _decision(run: RunContext, t: int, verdict: Statistics) -> int | End:
    action = VERDICT_ACTIONS[int(verdict.get("action", 0))]
    if action == "Missing":
        return End(complete=False, missing=_missing(t))
    if action == "Stop":
        return End(complete=True, stopped=EarlyStop(t, _why(run, t, verdict)))
    return run.writer_of(t) if action == "RollBack" else t


def _why(run: RunContext, t: int, verdict: Statistics) -> str:
    if verdict.get("alarms"):
        rule = GUARD_RULE_NAMES[int(verdict["alarmRule"])]
        again = f", after the run had rolled back to M({run.writer_of(t)})"
        rolled_back = "" if run.writer_of(t) == t - 1 else again
        return f"M({t}) has an alarm of {rule}{rolled_back}; the report has the figures"
    stopping = run.spec.stopping
    metric = "" if stopping is None else f" on {stopping.metric} (patience {stopping.patience})"
    return f"no newer model was significantly better{metric}; the report has the figures"


def _missing(t: int) -> str:
    return (
        f"iteration {t + 1} waits for the comparison of M({t}) with M(0), and a measurement for it "
        "has failed (see the condition Evaluated): correct the cause and request a retry, or let "
        "no rule read it (safeguards.action Warn, and no stopping)"
    )

"""The decision: which rules raise an alarm, from all looks so far.

A look counts if the change is at least the limit of the rule and is more than chance. An alarm
needs two consecutive looks that count, or one far outside: at twice the limit. The alarms of a look
depend on this look and earlier ones only, so a later look never changes them. A look with fewer
than 30 clusters is left out, so that it is never the one with which all others are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isheep_worker.guards.change import FigureChange, figure_change
from isheep_worker.guards.interface import Alarm, GuardRule, Look
from isheep_worker.guards.levels import FALSE_ALARMS, Levels, levels
from isheep_worker.statistics.interface import MIN_CLUSTERS

FAR = 2
"""A change is far outside at this multiple of the limit."""


def alarms(
    looks: Sequence[Look],
    rules: Sequence[GuardRule],
    planned_looks: int,
    false_alarms: float = FALSE_ALARMS,
) -> tuple[Alarm, ...]:
    """Return all alarms of a run so far, by iteration and then in the order of the rules.

    Args:
        looks: The looks so far, in order of t.
        rules: The rules.
        planned_looks: The number of looks of the whole run. More looks make each one stricter.
        false_alarms: The probability of a false alarm in a run without a collapse.

    Returns:
        The alarms. A rule has one for each look at which its condition is true.

    Raises:
        ValueError: The looks are not in order of t.
    """
    iterations = [each.iteration for each in looks]
    if iterations != sorted(set(iterations)):
        raise ValueError(f"the looks have t = {iterations}; give each t once, in order")
    if not rules or not looks:
        return ()
    allowed = levels(len(rules), max(planned_looks, len(looks)), false_alarms)
    found = [alarm for rule in rules for alarm in _alarms_of(rule, looks, allowed)]
    return tuple(sorted(found, key=lambda alarm: alarm.iteration))


def _alarms_of(rule: GuardRule, looks: Sequence[Look], allowed: Levels) -> Iterable[Alarm]:
    """Yield the alarms of one rule, in order of t."""
    firsts: dict[str, Look] = {}
    counted = False
    for each in looks:
        reading = each.readings.get(rule.figure)
        counted_before, counted = counted, False
        if reading is None or reading.figure.value is None:
            continue
        if reading.figure.clusters < MIN_CLUSTERS:
            continue
        first = firsts.setdefault(reading.prompt_format, each)
        if first is each:
            continue
        change = figure_change(first.readings[rule.figure].figure, reading.figure)
        if change is None:
            continue
        is_far = _is_beyond(rule, change, FAR, allowed.far)
        counted = is_far or _is_beyond(rule, change, 1, allowed.twice)
        if is_far or (counted and counted_before):
            yield Alarm(
                rule=rule,
                evidence="Far" if is_far else "Twice",
                iteration=each.iteration,
                value=change.after,
                first_iteration=first.iteration,
                first_value=change.before,
                items=change.items,
            )


def _is_beyond(rule: GuardRule, change: FigureChange, multiple: float, level: float) -> bool:
    """Return whether the change is at least a multiple of the limit, and is more than chance."""
    size = change.after - change.before
    p = change.p_up
    if rule.direction == "Down":
        size, p = -size, change.p_down
    return size >= multiple * rule.bound(change.before) and size > 0 and p < level

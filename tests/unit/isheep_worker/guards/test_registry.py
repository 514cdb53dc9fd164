"""Each rule reads a figure that exists, and each module of a rule is registered."""

from pathlib import Path

import numpy as np
import pytest

from isheep.contract.choices import GUARD_RULE_NAMES
from isheep_worker import guards
from isheep_worker.collapse.interface import mean_figure
from isheep_worker.collapse.registry import ANSWER_FIGURES, ROW_FIGURES
from isheep_worker.controls.drift import ANCHOR_SCORE
from isheep_worker.guards.alarms import alarms
from isheep_worker.guards.interface import look
from isheep_worker.guards.registry import GUARD_RULES


def test_the_contract_has_the_names_in_the_same_order() -> None:
    assert tuple(GUARD_RULES) == GUARD_RULE_NAMES


def test_rules_read_figures_that_exist() -> None:
    names = {figure.name for figure in (*ROW_FIGURES, *ANSWER_FIGURES)} | {ANCHOR_SCORE}
    assert {rule.figure for rule in GUARD_RULES.values()} <= names
    assert len({rule.figure for rule in GUARD_RULES.values()}) == len(GUARD_RULES)


def test_each_module_of_a_rule_is_registered() -> None:
    folder = Path(guards.__file__).parent
    modules = [file for file in folder.glob("*.py") if "RULE = " in file.read_text()]
    assert len(modules) == len(GUARD_RULES)


@pytest.mark.parametrize("name", GUARD_RULES)
def test_each_rule_raises_an_alarm(name: str) -> None:
    rule = GUARD_RULES[name]
    first = 2.0
    sign = 1 if rule.direction == "Up" else -1
    noise = np.random.default_rng(0).normal(0, 0.01, 80)
    looks = [
        look(t, {rule.figure: mean_figure(value + noise)}, "Chat")
        for t, value in enumerate([first, first + sign * 2.2 * rule.bound(first)])
    ]
    rules = tuple(GUARD_RULES.values())
    assert [alarm.rule for alarm in alarms(looks, rules, 5)] == [rule]
    assert rule.meaning[0].islower()
    assert not rule.meaning.endswith(".")

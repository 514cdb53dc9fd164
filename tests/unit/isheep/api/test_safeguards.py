"""Which rules of the guards a spec chooses."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from isheep.api.safeguards import Safeguards
from isheep.contract.choices import GUARD_RULE_NAMES


def test_settings_choose_rules() -> None:
    settings = Safeguards()
    assert settings.action == "Warn"
    assert settings.chosen() == GUARD_RULE_NAMES
    assert Safeguards(rules=("TopScores",)).chosen() == ("TopScores",)
    assert Safeguards(action="Off").chosen() == ()


def test_the_order_is_that_of_the_registry() -> None:
    assert Safeguards(rules=("TopScores", "Repetition")).chosen() == ("Repetition", "TopScores")


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(ValidationError, match="YardstickLoss"):
        Safeguards.model_validate({"rules": ["Nonsense"]})

"""The registry of the kinds of controls, from the most obvious damage to the most subtle one."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.choices import ControlKind
from isheep_worker.controls.interface import ControlDefinition
from isheep_worker.controls.missing_last_sentence import MISSING_LAST_SENTENCE
from isheep_worker.controls.repeated import REPEATED
from isheep_worker.controls.swapped import SWAPPED
from isheep_worker.controls.truncated import TRUNCATED
from isheep_worker.controls.wrong_number import WRONG_NUMBER

CONTROLS: Mapping[ControlKind, ControlDefinition] = {
    "Swapped": SWAPPED,
    "Repeated": REPEATED,
    "Truncated": TRUNCATED,
    "MissingLastSentence": MISSING_LAST_SENTENCE,
    "WrongNumber": WRONG_NUMBER,
}

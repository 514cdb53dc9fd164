"""A validation rule: a CEL expression with the message for an object that breaks it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """A condition of one object, in CEL; `self` is the object.

    `message` names the mistake and the remedy. `field` is the path of the field to correct, from
    the object on; "" means the object itself.
    """

    expression: str
    message: str
    field: str = ""

    @property
    def is_transition(self) -> bool:
        """Whether the rule compares the object with its previous state."""
        return "oldSelf" in self.expression

"""What a check of `isheep doctor` has found."""

from __future__ import annotations

from dataclasses import dataclass

from isheep.contract.choices import CheckState


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `unknown` means that the user's rights do not allow the check."""

    check: str
    state: CheckState
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.state:<7}  {self.check}: {self.message}{remedy}"


def unknown(check: str, what: str) -> Finding:
    """Return the finding of a check that needs a right of an administrator."""
    return Finding(check, "unknown", f"you have no right to read {what}")

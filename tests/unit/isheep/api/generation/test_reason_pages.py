"""Each reason has one page, with what the table knows about the reason."""

from __future__ import annotations

import pytest

from isheep.api.generation.conditions_page import conditions_markdown
from isheep.api.generation.reason_pages import FOLDER, reason_pages
from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_has_a_page_to_which_the_list_links(reason: Reason) -> None:
    page, known = reason_pages()[f"{FOLDER}/{reason}.md"], EXPLANATIONS[reason]
    assert f"\n# {reason}\n" in page
    assert known.meaning in page
    assert known.remedy[1:] in page
    assert f"](reasons/{reason}.md)" in conditions_markdown()
    if known.exit_code is not None:
        assert f"[exit code](../exit-codes.md) {int(known.exit_code)}." in page


def test_only_a_run_that_waits_or_failed_is_retried() -> None:
    pages = reason_pages()
    assert "isheep.dev/retry" not in pages[f"{FOLDER}/{Reason.RUNNING}.md"]
    assert "isheep.dev/retry" in pages[f"{FOLDER}/{Reason.UNSCHEDULABLE}.md"]
    both = pages[f"{FOLDER}/{Reason.BAD_MODEL}.md"]
    assert "If prepare reports this reason, the run is Stalled" in both

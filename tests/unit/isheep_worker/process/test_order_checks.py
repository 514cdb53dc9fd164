from __future__ import annotations

import pytest

from isheep.contract.order import ContractError
from isheep.recipes.stage_kinds import STAGE_VERSIONS
from isheep_worker.process.order_checks import check_versions, read_settings


def test_the_versions_of_this_worker_are_accepted(make_order) -> None:
    for kind, version in STAGE_VERSIONS.items():
        check_versions(make_order(str(kind), version))


@pytest.mark.parametrize(
    ("kind", "version", "message"),
    [
        ("dance", 1, "this worker has no stage 'dance', only prepare, generate"),
        ("select", 9, "pinned to version 9 of select, but this worker has version"),
    ],
)
def test_a_kind_or_version_that_this_worker_lacks_is_refused(
    kind: str, version: int, message: str, make_order
) -> None:
    with pytest.raises(ContractError, match=message):
        check_versions(make_order(kind, version))


def test_invalid_settings_are_refused(make_order) -> None:
    with pytest.raises(ContractError, match=r"i1/x: this worker cannot read its settings"):
        read_settings(make_order("select").steps[0])

from __future__ import annotations

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError, canonical_order, order_sha256
from isheep_worker.runtime.orders import (
    INDEX_VARIABLE,
    ORDER_SHA256_VARIABLE,
    ORDER_VARIABLE,
    WORKERS_VARIABLE,
    Shard,
    bad_order,
    check_versions,
    order_from_environment,
    shard_from_environment,
)


def test_an_order_comes_from_the_environment_with_its_digest(make_order) -> None:
    text = canonical_order(make_order())
    environment = {ORDER_VARIABLE: text, ORDER_SHA256_VARIABLE: order_sha256(text)}
    assert order_from_environment(environment) == make_order()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "ISHEEP_ORDER"),
        ({ORDER_VARIABLE: '{"steps": []}', ORDER_SHA256_VARIABLE: "0" * 64}, "SHA-256"),
        ({ORDER_VARIABLE: "{"}, "does not parse"),
    ],
)
def test_a_bad_order_is_bad_input(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ContractError, match=message) as caught:
        order_from_environment(environment)
    assert bad_order(caught.value).exit_code == ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("index", "workers", "shard"),
    [(None, None, Shard(0, 1)), ("0", "1", Shard(0, 1)), ("3", "4", Shard(3, 4))],
)
def test_a_shard_comes_from_the_environment(
    index: str | None, workers: str | None, shard: Shard
) -> None:
    given = {INDEX_VARIABLE: index, WORKERS_VARIABLE: workers}
    assert shard_from_environment({k: v for k, v in given.items() if v is not None}) == shard


@pytest.mark.parametrize(("index", "workers"), [("4", "4"), ("-1", "4"), ("x", "1"), ("0", "0")])
def test_a_wrong_shard_is_refused(index: str, workers: str) -> None:
    with pytest.raises(ContractError, match="below"):
        shard_from_environment({INDEX_VARIABLE: index, WORKERS_VARIABLE: workers})


@pytest.mark.parametrize(
    ("kind", "version", "message"), [("dance", 1, "no stage 'dance'"), ("select", 9, "version 9")]
)
def test_a_stage_that_this_worker_has_not_is_refused(
    kind: str, version: int, message: str, make_order
) -> None:
    check_versions(make_order())
    with pytest.raises(ContractError, match=message):
        check_versions(make_order(kind, version))

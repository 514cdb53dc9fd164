from __future__ import annotations

import pytest

from isheep.contract.order import ContractError, canonical_order, order_sha256
from isheep_worker.runtime.orders import (
    INDEX_VARIABLE,
    ORDER_SHA256_VARIABLE,
    ORDER_VARIABLE,
    WORKERS_VARIABLE,
    Shard,
    order_from_environment,
    shard_from_environment,
)


def test_an_order_is_read_from_the_environment_and_its_digest_is_checked(make_order) -> None:
    text = canonical_order(make_order())
    environment = {ORDER_VARIABLE: text, ORDER_SHA256_VARIABLE: order_sha256(text)}
    assert order_from_environment(environment) == make_order()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "the environment has no ISHEEP_ORDER"),
        ({ORDER_VARIABLE: '{"steps": []}', ORDER_SHA256_VARIABLE: "0" * 64}, "SHA-256"),
        ({ORDER_VARIABLE: "{"}, "cannot be read"),
    ],
)
def test_an_order_that_is_missing_or_invalid_is_refused(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        order_from_environment(environment)


@pytest.mark.parametrize(
    ("index", "workers", "shard"),
    [(None, None, Shard(0, 1)), ("0", "1", Shard(0, 1)), ("3", "4", Shard(3, 4))],
)
def test_a_shard_is_read_from_the_environment(
    index: str | None, workers: str | None, shard: Shard
) -> None:
    given = {INDEX_VARIABLE: index, WORKERS_VARIABLE: workers}
    assert shard_from_environment({k: v for k, v in given.items() if v is not None}) == shard


@pytest.mark.parametrize(("index", "workers"), [("4", "4"), ("-1", "4"), ("x", "1"), ("0", "0")])
def test_an_invalid_shard_is_refused(index: str, workers: str) -> None:
    with pytest.raises(ContractError, match="whole number below the second"):
        shard_from_environment({INDEX_VARIABLE: index, WORKERS_VARIABLE: workers})

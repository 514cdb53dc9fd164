"""Names of Jobs and Services: short, valid, and different for each identity."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.kube.names import dump_steps, dump_walk, job_name, read_walk, service_name
from isheep.planner.types import JobWalk

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
RUNS = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
STAGES = st.sampled_from(["prepare", "i1/generate/r1", "i20/curate/r100", "i3/respond", "i2/merge"])
KEYS = st.text("0123456789abcdef", min_size=64, max_size=64)
IDENTITIES = st.tuples(RUNS, st.uuids().map(str), STAGES, KEYS, st.integers(1, 10**6))


def named(run: str, uid: str, stage: str, key: str, attempt: int) -> str:
    return job_name(run, uid, stage=stage, key=key, attempt=attempt)


@given(IDENTITIES)
def test_a_name_is_a_label_with_room_for_the_pods_suffixes(identity: tuple) -> None:
    name = named(*identity)
    assert LABEL.fullmatch(name)
    # The names of the pods of 512 indexes end with, for example, -511-abcde.
    assert len(name) <= 50
    assert "--" not in name or "--" in identity[0]


@given(IDENTITIES, IDENTITIES, st.sets(st.integers(1, 4), min_size=1))
def test_each_part_of_the_identity_changes_the_name(
    one: tuple, other: tuple, parts: set[int]
) -> None:
    mixed = tuple(other[i] if i in parts else one[i] for i in range(5))
    assert (named(*mixed) == named(*one)) == (mixed == one)


@pytest.mark.parametrize(
    ("run", "stage", "begin"),
    [
        ("lamb", "prepare", "lamb-prepare-"),
        ("lamb", "i1/generate/r3", "lamb-generate-"),
        ("lamb", "i12/respond", "lamb-respond-"),
        ("a" * 40, "i1/merge", f"{'a' * 28}-merge-"),
        # A cut name does not end with a dash.
        (f"{'a' * 27}-bcd", "i1/merge", f"{'a' * 27}-merge-"),
        (f"{'a' * 25}---bcd", "i1/merge", f"{'a' * 25}-merge-"),
    ],
    ids=["prepare", "round", "iteration", "long name", "cut at a dash", "cut at several dashes"],
)
def test_a_name_begins_with_the_run_and_the_stage(run: str, stage: str, begin: str) -> None:
    name = named(run, "uid", stage, "key", 1)
    assert re.fullmatch(f"{begin}[a-z2-7]{{10}}", name)


def test_the_name_of_a_job_is_the_recorded_one() -> None:
    """A newer operator must find the Jobs of an older one, so the name must not change."""
    assert named("lamb", "uid-1", "i1/respond", "k" * 64, 2) == "lamb-respond-sr54heppjc"


@given(RUNS, st.uuids().map(str), st.uuids().map(str))
def test_the_service_of_each_run_has_a_different_name(run: str, uid: str, other: str) -> None:
    name = service_name(run, uid)
    assert LABEL.fullmatch(name)
    assert (service_name(run, other) == name) == (other == uid)
    # The DNS name of a pod of the Service, without the namespace and the domain of the cluster.
    assert len(f"{job_name(run, uid, stage='i20/train', key='k', attempt=1)}-63.{name}") <= 110


def test_the_steps_of_an_order_are_json() -> None:
    text = dump_steps([("i1/respond", "a"), ("i1/assess", "b")])
    assert json.loads(text) == [{"id": "i1/respond", "key": "a"}, {"id": "i1/assess", "key": "b"}]
    assert " " not in text


WALK = JobWalk("PerRole", "c" * 64, "0123456789abcdef")


def test_a_walk_is_read_from_its_annotation() -> None:
    assert read_walk(dump_walk(WALK)) == WALK


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "null",
        "{",
        "[]",
        "7",
        '{"grouping": "PerRole"}',
        "[" * 100_000,
        '{"grouping": "All", "claim": "c", "settings_digest": "d"}',
    ],
)
def test_an_annotation_without_a_valid_walk_has_none(text: str | None) -> None:
    assert read_walk(text) is None

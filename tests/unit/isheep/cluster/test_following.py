"""How a run is followed. The API server is a list of answers; the clock is a counter.

tests/control_plane/test_waiting.py follows runs of a real API server.
"""

import pytest

from isheep.cluster.errors import ClusterUnreachableError, NotFoundError
from isheep.cluster.following import OUTAGE_SECONDS, POLL_SECONDS, RunDeletedError, follow


class Answers:
    """A cluster whose answers are given; the last one is repeated."""

    namespace = "team-a"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.now = 0.0
        self.notes = []

    def get(self, run):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        uid, version = answer
        return {"metadata": {"uid": uid, "resourceVersion": version}}

    def sleep(self, seconds):
        self.now += seconds

    def follow(self, **limits):
        found = follow(
            self,
            "lamb",
            note=self.notes.append,
            clock=lambda: self.now,
            sleep=self.sleep,
            **limits,
        )
        return [document["metadata"]["resourceVersion"] for document in found]


OUTAGE = ClusterUnreachableError("no answer")


def test_each_version_is_yielded_once_until_the_time_is_over():
    cluster = Answers(("u", "1"), ("u", "1"), ("u", "2"), ("u", "2"))
    assert cluster.follow(seconds=60) == ["1", "2"]
    assert cluster.now == 60


def test_a_time_limit_of_zero_looks_once():
    assert Answers(("u", "1")).follow(seconds=0) == ["1"]


def test_an_outage_is_noted_once_and_does_not_end_it():
    minute = [OUTAGE] * int(60 / POLL_SECONDS)
    cluster = Answers(("u", "1"), *minute, ("u", "2"), *minute, ("u", "3"))
    assert cluster.follow(seconds=600) == ["1", "2", "3"]
    assert cluster.notes == ["no answer; waiting for it"] * 2


def test_a_long_outage_and_one_at_the_start_end_it():
    cluster = Answers(("u", "1"), OUTAGE)
    with pytest.raises(ClusterUnreachableError):
        cluster.follow()
    assert cluster.now > OUTAGE_SECONDS
    with pytest.raises(ClusterUnreachableError):
        Answers(OUTAGE).follow()


@pytest.mark.parametrize("then", [NotFoundError("gone"), ("another", "7")])
def test_a_deletion_is_told_also_if_another_run_has_the_name(then):
    with pytest.raises(RunDeletedError, match="run lamb in namespace team-a was deleted"):
        Answers(("u", "1"), then).follow()


def test_a_run_that_does_not_exist_at_first_is_not_a_deletion():
    with pytest.raises(NotFoundError):
        Answers(NotFoundError("none")).follow()

from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.local.results import committed_keys, committed_stages, newest_report


def record(id_, key, committed=True):
    return StageRecord(id=id_, key=key, committed=committed)


STATUS = SelfAlignmentRunStatus(
    stages=(
        record("prepare", "p"),
        record("i1/select", "a"),
        record("i1/report", "b"),
        record("i10/select", "c"),
        record("i2/select", "d", committed=False),
        record("i2/report", "e", committed=False),
    )
)


def test_only_committed_stages_are_returned():
    assert committed_keys(STATUS) == {
        "prepare": "p",
        "i1/select": "a",
        "i1/report": "b",
        "i10/select": "c",
    }
    assert committed_stages(STATUS) == {
        1: {"i1/select": "a", "i1/report": "b"},
        10: {"i10/select": "c"},
    }
    assert newest_report(committed_keys(STATUS)) == "b"
    assert newest_report({}) is None

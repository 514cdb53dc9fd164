from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.local.results import committed_keys, committed_stages, newest_model, newest_report


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


def test_the_newest_model_is_merged_unless_the_adapter_is_wanted():
    keys = dict.fromkeys(("prepare", "i9/train", "i9/merge", "i10/train", "i10/merge"), "k")
    assert newest_model(keys, None) == newest_model(keys, "Merged") == "i10/merge"
    assert newest_model(keys, "Adapter") == "i10/train"
    del keys["i10/merge"]
    assert newest_model(keys, None) == "i9/merge"
    assert newest_model({"i1/train": "k"}, None) == "i1/train"
    assert newest_model({"i1/train": "k"}, "Merged") is None
    assert newest_model({}, None) is None

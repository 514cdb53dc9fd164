from isheep.cluster.submission import changes, replacement

FOUND = {
    "metadata": {
        "name": "lamb",
        "resourceVersion": "5",
        "labels": {"team": "a", "old": "x"},
        "annotations": {"isheep.dev/retry": "1"},
    },
    "spec": {"iterations": 3, "model": {"storageUri": "hf://a/b"}, "suspend": False},
    "status": {"phase": "Running"},
}


def test_a_replacement_keeps_what_other_programs_have_set():
    document = {"metadata": {"name": "lamb", "labels": {"team": "b"}}, "spec": {"iterations": 1}}
    wanted = replacement(FOUND, document)
    assert wanted["spec"] == {"iterations": 1}
    assert wanted["metadata"]["labels"] == {"team": "b", "old": "x"}
    assert wanted["metadata"]["annotations"] == {"isheep.dev/retry": "1"}
    assert wanted["metadata"]["resourceVersion"] == "5"
    assert FOUND["metadata"]["labels"]["team"] == "a"


def test_changes_name_each_field_with_both_values():
    after = {
        "metadata": {**FOUND["metadata"], "labels": {"team": "b", "old": "x"}},
        "spec": {"iterations": 4, "model": {"storageUri": "hf://a/b", "revision": "r" * 200}},
    }
    assert [str(change) for change in changes(FOUND, after)] == [
        'metadata.labels.team: "a" → "b"',
        "spec.iterations: 3 → 4",
        'spec.model.revision: absent → "' + "r" * 79 + "…",
        "spec.suspend: false → absent",
    ]
    assert not list(changes(FOUND, {**FOUND, "status": {}}))

"""`isheep compare`: runs side by side, from what their stores hold."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.unit.isheep.cli.test_startup import complete

from isheep.api.status import (
    BenchmarkRecord,
    GradeRecord,
    IterationRecord,
    JudgementRecord,
    YardstickRecord,
)
from isheep.cli.comparison.comparison import NOTE, differences, figures, funnel_lines
from isheep.local.stored_run import StoredRun
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore

STORE = "isheep-store"


def write_far(path: str, name: str) -> None:
    """Write the file of a run in another store, with another seed."""
    document = yaml.safe_load(Path("run.yaml").read_text())
    document["metadata"]["name"] = name
    document["spec"] |= {"storage": {"folder": {"path": "far-store"}}, "randomSeed": 7}
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(yaml.safe_dump(document))


def rewrite_status(name: str, **record: object) -> None:
    stored = StoredRun(FolderStore(Path(STORE)), "default", name)
    view = stored.read()
    assert view is not None
    history = tuple(one.model_copy(update=record) for one in view.status.history)
    stored.write_status(view.status.model_copy(update={"history": history}))


def test_specs_funnels_and_figures_are_side_by_side_with_the_rows_they_rest_on(two_runs):
    result = two_runs("compare", "lamb", "other")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    cells = [re.split(r"\s{2,}", line.strip()) for line in lines]
    store = Path(STORE).absolute()
    assert lines[0] == f"lamb: {store}, namespace default: Succeeded, finished iterations: 1"
    assert ["fields of the spec that differ", "lamb", "other"] in cells
    # The default of the first run is resolved.
    assert ["selection.threshold", "8", "2"] in cells
    assert [row[0] for row in cells if row[0].startswith("selection.")] == ["selection.threshold"]
    assert ["iteration 1: funnel", "lamb", "other"] in cells
    assert ["- length", "9", "9"] in cells
    assert ["instructions accepted", "64", "64"] in cells
    assert ["accepted", "64", "64"] in cells
    assert ["mean score", "8.500 (2)", "8.500 (2)"] in cells
    assert ["training loss", "1.500 (2)", "1.500 (2)"] in cells
    assert ["validation loss", "1.750 (unknown)", "1.750 (unknown)"] in cells
    assert lines[-1] == NOTE
    assert "not comparable" in NOTE


def test_json_has_the_same_values(two_runs):
    found = json.loads(two_runs("compare", "run.yaml", "other.yaml", "-o", "json").stdout)
    assert found["spec"] == [{"field": "selection.threshold", "values": [8, 2]}]
    assert found["pinned"] == []
    lamb, other = found["runs"]
    assert (lamb["name"], other["name"]) == ("lamb", "other")
    (iteration,) = lamb["iterations"]
    assert {"label": "length", "kind": "drop", "count": 9} in iteration["funnel"]
    assert {"name": "mean score", "value": 8.5, "n": 2} in iteration["figures"]
    assert [iteration[name] for name in ("yardstick", "benchmark", "grades")] == [None] * 3
    assert NOTE in found["notes"]


def test_the_old_name_of_other_tools_is_an_alias_that_help_does_not_list(two_runs):
    assert two_runs("diff", "lamb", "other").stdout == two_runs("compare", "lamb", "other").stdout
    assert "diff" not in two_runs("--help").stdout.split()


def test_each_run_is_completed(two_runs):
    output, _ = complete("isheep compare run.yaml oth")
    assert output.split() == ["other", "other.yaml"]


def test_files_of_runs_in_two_stores_are_compared(two_runs):
    write_far("far.yaml", "far")
    assert two_runs("run", "far.yaml").exit_code == 0
    found = json.loads(two_runs("compare", "run.yaml", "far.yaml", "-o", "json").stdout)
    assert [run["store"] for run in found["runs"]] == [
        str(Path(STORE).absolute()),
        str(Path("far-store").absolute()),
    ]
    # Like the stored spec, the comparison leaves out the location of the data.
    assert [one["field"] for one in found["spec"]] == ["randomSeed"]


def test_runs_of_one_name_in_two_stores_are_named_by_their_arguments(two_runs):
    write_far("far/run.yaml", "lamb")
    assert two_runs("run", "far/run.yaml").exit_code == 0
    lines = two_runs("compare", "lamb", "far/run.yaml").stdout.splitlines()
    assert lines[0].startswith("lamb: ")
    assert lines[1].startswith("far/run.yaml: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lamb",), "two or more runs"),
        (("lamb", "lamb"), "lamb and lamb are the same run"),
        (("run.yaml", "lamb"), "run.yaml and lamb are the same run"),
        (("lamb", "none"), "has no run none (namespace default)"),
        (("lamb", "run.yaml", "-n", "team-a", "--store", STORE), "-n and --context need the name"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(two_runs, arguments, message):
    result = two_runs("compare", *arguments)
    assert result.exit_code == 64
    assert message in result.stderr
    assert result.stdout == ""


def test_a_run_of_a_cluster_needs_its_cluster(two_runs):
    folder = Path(STORE, "default/runs/far")
    folder.mkdir()
    (folder / "stages.json").write_text("{}")
    result = two_runs("compare", "lamb", "far")
    assert result.exit_code == 64
    assert "the run is on a cluster: give its name with -n NAMESPACE" in result.stderr


def test_a_file_that_was_edited_since_is_compared_as_it_was_started(two_runs):
    two_runs.write_other(threshold=3)
    result = two_runs("compare", "lamb", "other.yaml")
    assert "other: other.yaml has changed since the run was last started" in result.stderr
    assert re.search(r"selection\.threshold +8 +2", result.stdout)


def test_a_value_that_was_set_on_the_command_line_is_no_edit_of_the_file(two_runs):
    two_runs.write_other()
    text = Path("other.yaml").read_text().replace("name: other", "name: third")
    Path("third.yaml").write_text(text)
    values = ("--set", "spec.selection.threshold=4", "--set", "spec.training.lora.r=4")
    assert two_runs("run", "third.yaml", *values).exit_code == 0
    result = two_runs("compare", "run.yaml", "third.yaml")
    assert result.stderr == ""
    assert re.search(r"selection\.threshold +8 +4", result.stdout)
    assert re.search(r"training\.lora\.r +8 +4", result.stdout)
    Path("third.yaml").write_text(text.replace("iterations: 1", "iterations: 2"))
    assert "third.yaml has changed" in two_runs("compare", "run.yaml", "third.yaml").stderr


def test_no_funnel_is_shown_if_a_stage_of_it_is_not_in_the_store(two_runs):
    stored = StoredRun(FolderStore(Path(STORE)), "default", "other").read()
    assert stored is not None
    key = next(one.key for one in stored.status.stages if one.id == "i1/select")
    Path(STORE, "default/stages", key, "manifest.json").unlink()
    result = two_runs("compare", "lamb", "other")
    assert "other: the store does not have the committed stage i1/select" in result.stderr
    assert re.search(r"^instructions accepted +64 +-$", result.stdout, re.MULTILINE)


def test_a_damaged_manifest_is_named(two_runs):
    artifacts = ArtifactStore(FolderStore(Path(STORE)), "default")
    stored = StoredRun(artifacts.store, "default", "other").read()
    assert stored is not None
    key = next(one.key for one in stored.status.stages if one.id == "i1/select")
    artifacts.store.put(f"default/stages/{key}/manifest.json", b"{")
    result = two_runs("compare", "lamb", "other")
    assert result.exit_code == 74
    assert key in result.stderr


def test_a_yardstick_is_shown_with_its_tasks_and_interval_only(two_runs):
    measured = YardstickRecord(items=40, difference=-0.25, lower=-0.5, upper=-0.1)
    rewrite_status("other", yardstick=measured)
    text = two_runs("compare", "lamb", "other").stdout
    (line,) = (one for one in text.splitlines() if "-0.250" in one)
    assert line.startswith("other: M(1): loss on 40 seed tasks -0.250")
    assert "95 % interval -0.500 to -0.100" in line
    assert "does not compare two runs" in text


def test_a_benchmark_and_judgements_are_shown_with_their_items_and_intervals_only(two_runs):
    ends = {"lower": -0.1, "upper": 0.5}
    rewrite_status(
        "other",
        benchmark=BenchmarkRecord(name="arc", items=300, difference=0.2, **ends),
        judgement=JudgementRecord(name="open", items=80, rate=0.625, lower=0.5, upper=0.75),
        grades=GradeRecord(name="mt", items=60, mean=5.5, difference=0.25, **ends),
    )
    lines = two_runs("compare", "lamb", "other").stdout.splitlines()
    assert [line.partition(" (")[0] for line in lines if line.startswith("other: M(1)")] == [
        "other: M(1): +0.200 against M(0) on 300 items of arc",
        "other: M(1): win rate 0.625 on 80 questions of open",
        "other: M(1): mean grade 5.50 on 60 questions of mt, +0.25 from M(0)",
    ]
    found = json.loads(two_runs("compare", "lamb", "other", "-o", "json").stdout)
    (iteration,) = found["runs"][1]["iterations"]
    assert iteration["benchmark"]["items"] == 300
    assert iteration["grades"]["mean"] == 5.5


def test_two_commits_of_a_model_are_a_difference_even_if_the_specs_are_equal(two_runs):
    stored = StoredRun(FolderStore(Path(STORE)), "default", "other")
    view = stored.read()
    assert view is not None
    inputs = view.status.resolved["inputs"] | {"modelRevision": "a\x1b[31mb"}
    resolved = view.status.resolved | {"inputs": inputs}
    stored.write_status(view.status.model_copy(update={"resolved": resolved}))
    text = two_runs("compare", "lamb", "other").stdout
    # An escape sequence from a document does not reach the terminal.
    assert re.search(r"inputs\.modelRevision +- +a\?\[31mb", text)


def test_a_status_that_this_version_cannot_read_is_named(two_runs):
    stored = StoredRun(FolderStore(Path(STORE)), "default", "other")
    view = stored.read()
    assert view is not None
    resolved = view.status.resolved | {"generation": "x"}
    stored.write_status(view.status.model_copy(update={"resolved": resolved}))
    result = two_runs("compare", "lamb", "other")
    assert result.exit_code == 64
    assert "isheep: other: the spec or the status of the run" in result.stderr
    assert "generation" in result.stderr


def test_differences_name_fields_of_any_number_of_runs():
    found = differences(
        [
            {"a": {"b": 1, "c": 2}, "seedTasks": {"builtin": "x"}, "same": [1]},
            {"a": {"b": 1, "c": 3}, "seedTasks": {"uri": "y"}, "same": [1]},
            {"a": {"b": 1}, "seedTasks": {"builtin": "x"}, "same": [1], "yardstick": {"n": 1}},
        ]
    )
    assert [(one.field, one.values) for one in found] == [
        ("a.c", (2, 3, None)),
        ("seedTasks", ({"builtin": "x"}, {"uri": "y"}, {"builtin": "x"})),
        ("yardstick", (None, None, {"n": 1})),
    ]


def test_funnels_with_different_lines_are_merged_in_the_order_of_each():
    one = [("parsed", "start", 9), ("url", "drop", 4), ("kept", "count", 5), ("kept", "count", 4)]
    two = [("parsed", "start", 8), ("length", "drop", 1), ("url", "drop", 2), ("kept", "count", 5)]
    found = [(line.label, line.counts) for line in funnel_lines([one, None, two])]
    assert found == [
        ("parsed", (9, None, 8)),
        ("length", (None, None, 1)),
        ("url", (4, None, 2)),
        ("kept", (5, None, 5)),
        ("kept", (4, None, None)),
    ]


def test_every_mean_has_its_number_of_rows():
    record = IterationRecord(
        iteration=1,
        completions=10,
        kept=3,
        mean_score=7.0,
        training_loss=1.0,
        training_samples=2,
        validation_loss=2.0,
        validation_samples=1,
        gpu_seconds=5.4,
    )
    assert {figure.name: figure.text for figure in figures(record)} == {
        "completions": "10",
        "kept": "3",
        "mean score": "7.000 (3)",
        "training loss": "1.000 (2)",
        "validation loss": "2.000 (1)",
        "GPU seconds": "5",
    }

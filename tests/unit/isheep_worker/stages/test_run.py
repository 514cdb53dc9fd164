"""A run's stages one after another, without and with interruptions."""

from __future__ import annotations

import json
import random
import shutil
from itertools import pairwise

import pytest

from isheep.contract.order import Outcome, RunRef
from isheep.contract.rule_names import DROP
from isheep.store.documents import RunDocuments
from isheep.store.work import all_work
from isheep_worker.rows.schema import COMPLETIONS, INSTRUCTIONS, PAIRS, SCORES, SELECTIONS
from isheep_worker.rules.registry import all_names


def rows(driver, codec, stage: str) -> list:
    return [codec.decode(line) for line in driver.artifacts.read_lines(driver.key(stage))]


def last_curate(driver) -> str:
    return [stage for stage in driver.statistics if "/curate/" in stage][-1]


def test_a_run_leads_from_seed_tasks_to_a_merged_model(finished_run) -> None:
    kinds = [
        stage.partition("/")[2].partition("/")[0] or stage for stage in finished_run.statistics
    ]
    assert list(dict.fromkeys(kinds)) == [
        "prepare",
        "generate",
        "curate",
        "respond",
        "assess",
        "select",
        "train",
        "merge",
        "report",
    ]
    names = {
        info.name for info in finished_run.artifacts.manifest(finished_run.key("i1/merge")).files
    }
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names


def test_all_stages_keep_the_ids_in_the_same_order(finished_run) -> None:
    instructions = rows(finished_run, INSTRUCTIONS, last_curate(finished_run))
    ids = [row.id for row in instructions]
    assert len(ids) == len(set(ids)) == 70
    for codec, stage in ((PAIRS, "respond"), (SCORES, "assess"), (SELECTIONS, "select")):
        assert [row.id for row in rows(finished_run, codec, f"i1/{stage}")] == ids


def test_each_completion_has_its_own_draw_of_examples(finished_run) -> None:
    completions = rows(finished_run, COMPLETIONS, "i1/generate/r2")
    assert [row.completion for row in completions] == list(range(len(completions)))
    assert all(len(set(row.exemplars)) == 2 for row in completions)
    assert len({row.exemplars for row in completions}) > 1


def test_curate_counts_every_task(finished_run) -> None:
    curates = [finished_run.statistics[s] for s in finished_run.statistics if "/curate/" in s]
    for before, after in pairwise(curates):
        assert after["accepted"] == before["accepted"] + after["new"]
    for one in curates:
        drops = {n: v for n, v in one.items() if n.startswith("drop:") and ":parse-" not in n}
        assert one["parsed"] == one["new"] + sum(drops.values())
    assert curates[-1]["accepted"] == 70


def test_every_counted_drop_has_a_registered_name(finished_run) -> None:
    for statistics in finished_run.statistics.values():
        names = {n.removeprefix(DROP) for n in statistics if n.startswith(DROP)}
        assert names <= all_names()


def test_statistics_are_those_of_the_rows(finished_run) -> None:
    scores = rows(finished_run, SCORES, "i1/assess")
    statistics = finished_run.statistics["i1/assess"]
    asked = [row for row in scores if row.rule is None]
    quality = [
        row.levels["Quality"].score for row in asked if row.levels["Quality"].score is not None
    ]
    assert statistics["mean:Quality"] == pytest.approx(sum(quality) / len(quality))
    assert statistics["score:Quality:5"] == quality.count(5.0)
    selections = rows(finished_run, SELECTIONS, "i1/select")
    kept = [row for row in selections if row.kept]
    select = finished_run.statistics["i1/select"]
    assert (select["pairs"], select["kept"]) == (70, len(kept))
    dropped = sum(value for name, value in select.items() if name.startswith("drop:"))
    assert dropped == 70 - len(kept)
    train = finished_run.statistics["i1/train"]
    assert train["samples"] + train["validationSamples"] + train["drop:no-label"] == len(kept)


def test_a_manifest_has_the_environment_the_times_and_dropped_examples(finished_run) -> None:
    manifest = finished_run.artifacts.manifest(finished_run.key("i1/respond"))
    assert manifest.environment.packages["torch"]
    assert manifest.environment.device
    timings = manifest.timings
    wall = (timings.finished_at - timings.started_at).total_seconds()
    accounted = timings.load_seconds + timings.engine_seconds + timings.cpu_seconds
    assert accounted == pytest.approx(wall, abs=0.2)
    examples = finished_run.artifacts.manifest(finished_run.key("i1/select")).examples
    assert examples
    assert all(len(texts) <= 5 for texts in examples.values())


def test_committed_stages_are_adopted_and_prepare_reports_them(
    finished_run, make_driver, fork_server
) -> None:
    driver = make_driver(finished_run.folder, fork_server.run_order)
    driver.run()
    stages = [stage for stage in driver.statistics if stage not in ("prepare", "i1/report")]
    frontier = driver.results["prepare"].frontier
    assert frontier.count == len(stages)
    assert frontier.statistics["i1/select"][0] == finished_run.statistics["i1/select"]["kept"]
    assert all(driver.results[stage].steps[0].adopted for stage in stages)
    assert dict(driver.statistics) == dict(finished_run.statistics)


def test_each_run_has_a_copy_of_its_report_under_its_name(
    finished_run, make_driver, fork_server
) -> None:
    store = finished_run.artifacts.store
    run = RunRef(namespace="default", name="demo", uid="uid-1")
    documents = RunDocuments(store, run)
    page, keys = documents.read("report.html"), documents.read_stages()
    assert keys == {s: finished_run.key(s) for s in finished_run.statistics if s != "prepare"}
    (iteration,) = json.loads(documents.read("report.json"))["iterations"]
    assert len(iteration["answers"]) == 20
    assert all("||" in answer["text"] for answer in iteration["answers"][0]["answers"])
    assert b"Answers of the assessor" in page
    store.delete("default/runs/demo/report.html")
    make_driver(finished_run.folder, fork_server.run_order).run()
    assert documents.read("report.html") == page


def test_stages_that_are_killed_at_any_moment_have_the_same_bytes(
    finished_run, make_driver, fork_server, tmp_path
) -> None:
    draw = random.Random(7)
    killed = []

    def killed_first(order):
        stage = order.steps[0].id
        kill_after = draw.uniform(0.05, 1.0)
        ((code, result),) = fork_server.run({"order": order, "kill_after": kill_after})
        killed.extend([stage] if code == -9 else [])
        return fork_server.run_order(order) if result is None else result

    driver = make_driver(tmp_path / "store", killed_first)
    driver.run()
    assert killed
    assert driver.content() == finished_run.content()


@pytest.mark.parametrize(
    ("stage", "stop", "parts"),
    [("i1/generate/r2", {"stop_at": 0}, 0), ("i1/respond", {"stop_after_parts": 1}, 1)],
)
def test_a_stopped_stage_keeps_its_parts_and_resumes(
    stage, stop, parts, finished_run, copied_run, fork_server
) -> None:
    order = copied_run.step(stage)
    copied_run.uncommit(stage)
    ((code, result),) = fork_server.run({"order": order, **stop})
    assert (code, result.outcome, result.exit_code) == (143, Outcome.FAILED, 143)
    assert result.reason == "Stopped"
    assert len(copied_run.artifacts.parts(order.steps[0].key)) == parts
    assert fork_server.run_order(order).outcome is Outcome.COMMITTED
    assert copied_run.content() == finished_run.content()


def test_stopped_training_resumes_from_its_checkpoint(
    finished_run, copied_run, fork_server
) -> None:
    order = copied_run.step("i1/train")
    copied_run.uncommit("i1/train")
    ((code, result),) = fork_server.run({"order": order, "stop_at": 2})
    assert (code, result.reason) == (143, "Stopped")
    ((_, again),) = fork_server.run({"order": order})
    assert again.steps[0].statistics["resumedFromStep"] >= 2
    assert copied_run.content() == finished_run.content()
    store = copied_run.artifacts.store
    assert not list(store.list(all_work("default")))


def test_two_workers_share_the_parts(finished_run, copied_run, fork_server) -> None:
    order = copied_run.step("i1/respond")
    copied_run.uncommit("i1/respond")
    ends = fork_server.run({"order": order, "shard": [0, 2]}, {"order": order, "shard": [1, 2]})
    assert [code for code, _ in ends] == [0, 0]
    assert Outcome.COMMITTED in [result.outcome for _, result in ends]
    assert copied_run.content() == finished_run.content()


def test_one_of_two_workers_fills_only_its_own_parts(copied_run, fork_server) -> None:
    order = copied_run.step("i1/respond")
    copied_run.uncommit("i1/respond")
    ((code, result),) = fork_server.run({"order": order, "shard": [1, 2]})
    assert (code, result.outcome, result.steps) == (0, Outcome.PARTIAL, ())
    assert copied_run.artifacts.parts(order.steps[0].key) == [1]


def test_joined_steps_share_their_parts_without_waiting(
    finished_run, copied_run, fork_server
) -> None:
    respond, assess = copied_run.step("i1/respond"), copied_run.step("i1/assess")
    joined = respond.model_copy(update={"steps": respond.steps + assess.steps})
    copied_run.uncommit("i1/respond")
    copied_run.uncommit("i1/assess")
    ((_, first),) = fork_server.run({"order": joined, "shard": [0, 2]})
    assert (first.outcome, first.steps) == (Outcome.PARTIAL, ())
    ((_, second),) = fork_server.run({"order": joined, "shard": [1, 2]})
    assert second.outcome is Outcome.COMMITTED
    assert [step.id for step in second.steps] == ["i1/respond", "i1/assess"]
    assert second.steps[1].statistics["modelLoads"] == 0
    assert copied_run.content() == finished_run.content()


@pytest.mark.parametrize(
    ("damaged", "reader"),
    [("i1/respond", "i1/assess"), ("i1/assess", "i1/select"), ("i1/select", "i1/train")],
)
def test_the_message_names_a_corrupt_part(damaged, reader, copied_run, fork_server) -> None:
    order = copied_run.step(reader)
    copied_run.uncommit(reader)
    key = copied_run.key(damaged)
    path = copied_run.folder / f"default/stages/{key}/part-00001.jsonl.zst"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    ((code, result),) = fork_server.run({"order": order})
    assert (code, result.reason) == (74, "StoreCorrupt")
    assert f"{key}/part-00001" in result.message
    assert copied_run.artifacts.manifest(order.steps[0].key) is None


def test_a_run_stores_a_reference_to_each_of_its_stages(
    finished_run, copied_run, fork_server
) -> None:
    used = sorted(path.name for path in (finished_run.folder / "default/refs").iterdir())
    assert used == sorted(finished_run.key(s) for s in finished_run.statistics if s != "prepare")
    refs = copied_run.folder / "default/refs"
    shutil.rmtree(refs)
    result = fork_server.run_order(copied_run.step("i1/select"))
    assert result.steps[0].adopted
    assert [path.name for path in refs.glob("*/uid-1")] == ["uid-1"]
    assert (refs / copied_run.key("i1/select")).is_dir()

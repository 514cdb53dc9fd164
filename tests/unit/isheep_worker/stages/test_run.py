"""The stages one after another, as a run has them, undisturbed and disturbed."""

from __future__ import annotations

import random
import shutil
from itertools import pairwise

import pytest

from isheep.contract.order import Outcome, RunRef
from isheep.store.documents import RunDocuments
from isheep_worker.rows.schema import COMPLETIONS, INSTRUCTIONS, PAIRS, SCORES, SELECTIONS


def rows(chain, codec, stage: str) -> list:
    return [codec.decode(line) for line in chain.artifacts.read_lines(chain.key(stage))]


def last_curate(chain) -> str:
    return [stage for stage in chain.statistics if "/curate/" in stage][-1]


def test_a_run_goes_from_seed_tasks_to_a_merged_model(finished) -> None:
    kinds = [stage.partition("/")[2].partition("/")[0] or stage for stage in finished.statistics]
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
    names = {info.name for info in finished.artifacts.manifest(finished.key("i1/merge")).files}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names


def test_ids_go_through_all_stages_in_one_order(finished) -> None:
    instructions = rows(finished, INSTRUCTIONS, last_curate(finished))
    ids = [row.id for row in instructions]
    assert len(ids) == len(set(ids)) == 70
    for codec, stage in ((PAIRS, "respond"), (SCORES, "assess"), (SELECTIONS, "select")):
        assert [row.id for row in rows(finished, codec, f"i1/{stage}")] == ids


def test_completions_have_exemplars_of_their_own(finished) -> None:
    completions = rows(finished, COMPLETIONS, "i1/generate/r2")
    assert [row.completion for row in completions] == list(range(len(completions)))
    assert all(len(set(row.exemplars)) == 2 for row in completions)
    assert len({row.exemplars for row in completions}) > 1


def test_curate_counts_every_task(finished) -> None:
    curates = [finished.statistics[s] for s in finished.statistics if "/curate/" in s]
    for before, after in pairwise(curates):
        assert after["accepted"] == before["accepted"] + after["new"]
    for one in curates:
        drops = {n: v for n, v in one.items() if n.startswith("drop:") and ":parse-" not in n}
        assert one["parsed"] == one["new"] + sum(drops.values())
    assert curates[-1]["accepted"] == 70


def test_statistics_are_those_of_the_rows(finished) -> None:
    scores = rows(finished, SCORES, "i1/assess")
    statistics = finished.statistics["i1/assess"]
    asked = [row for row in scores if row.rule is None]
    quality = [
        row.levels["Quality"].score for row in asked if row.levels["Quality"].score is not None
    ]
    assert statistics["mean:Quality"] == pytest.approx(sum(quality) / len(quality))
    assert statistics["score:Quality:5"] == quality.count(5.0)
    selections = rows(finished, SELECTIONS, "i1/select")
    kept = [row for row in selections if row.kept]
    select = finished.statistics["i1/select"]
    assert (select["pairs"], select["kept"]) == (70, len(kept))
    dropped = sum(value for name, value in select.items() if name.startswith("drop:"))
    assert dropped == 70 - len(kept)
    train = finished.statistics["i1/train"]
    assert train["samples"] + train["validationSamples"] + train["drop:no-label"] == len(kept)


def test_a_manifest_tells_what_was_used_and_how_long_it_took(finished) -> None:
    manifest = finished.artifacts.manifest(finished.key("i1/respond"))
    assert manifest.environment.packages["torch"]
    assert manifest.environment.device
    timings = manifest.timings
    wall = (timings.finished_at - timings.started_at).total_seconds()
    accounted = timings.load_seconds + timings.engine_seconds + timings.cpu_seconds
    assert accounted == pytest.approx(wall, abs=0.2)
    examples = finished.artifacts.manifest(finished.key("i1/select")).examples
    assert examples
    assert all(len(texts) <= 5 for texts in examples.values())


def test_what_exists_is_adopted_and_told_by_prepare(finished, make_chain, forker) -> None:
    chain = make_chain(finished.folder, forker.carry_out)
    chain.run()
    stages = [stage for stage in chain.statistics if stage not in ("prepare", "i1/report")]
    frontier = chain.results["prepare"].frontier
    assert frontier.count == len(stages)
    assert frontier.statistics["i1/select"][0] == finished.statistics["i1/select"]["kept"]
    assert all(chain.results[stage].steps[0].adopted for stage in stages)
    assert dict(chain.statistics) == dict(finished.statistics)


def test_the_report_lies_under_the_name_of_each_run_that_has_it(
    finished, make_chain, forker
) -> None:
    store = finished.artifacts.store
    run = RunRef(namespace="default", name="demo", uid="uid-1")
    documents = RunDocuments(store, run)
    page, keys = documents.read("report.html"), documents.read_stages()
    assert keys == {s: finished.key(s) for s in finished.statistics if s != "prepare"}
    store.delete("default/runs/demo/report.html")
    make_chain(finished.folder, forker.carry_out).run()
    assert documents.read("report.html") == page


def test_killed_at_any_moment_every_stage_ends_with_the_same_bytes(
    finished, make_chain, forker, tmp_path
) -> None:
    draw = random.Random(7)
    killed = []

    def killed_first(order):
        stage = order.steps[0].id
        kill_after = draw.uniform(0.05, 1.0)
        ((code, result),) = forker.run({"order": order, "kill_after": kill_after})
        killed.extend([stage] if code == -9 else [])
        return forker.carry_out(order) if result is None else result

    chain = make_chain(tmp_path / "store", killed_first)
    chain.run()
    assert killed
    assert chain.content() == finished.content()


@pytest.mark.parametrize(("stage", "at"), [("i1/generate/r2", 0), ("i1/respond", 64)])
def test_a_stopped_stage_keeps_its_parts_and_goes_on(stage, at, finished, copied, forker) -> None:
    order = copied.step(stage)
    copied.uncommit(stage)
    ((code, result),) = forker.run({"order": order, "stop_at": at})
    assert (code, result.outcome, result.exit_code) == (143, Outcome.FAILED, 143)
    assert result.reason == "Stopped"
    assert len(copied.artifacts.parts(order.steps[0].key)) == at // 64
    assert forker.carry_out(order).outcome is Outcome.COMMITTED
    assert copied.content() == finished.content()


def test_stopped_training_goes_on_from_its_checkpoint(finished, copied, forker) -> None:
    order = copied.step("i1/train")
    copied.uncommit("i1/train")
    ((code, result),) = forker.run({"order": order, "stop_at": 2})
    assert (code, result.reason) == (143, "Stopped")
    ((_, again),) = forker.run({"order": order})
    assert again.steps[0].statistics["resumedFromStep"] >= 2
    assert copied.content() == finished.content()
    store = copied.artifacts.store
    assert not list(store.list("default/work/"))


def test_two_workers_share_the_parts(finished, copied, forker) -> None:
    order = copied.step("i1/respond")
    copied.uncommit("i1/respond")
    ends = forker.run({"order": order, "shard": [0, 2]}, {"order": order, "shard": [1, 2]})
    assert [code for code, _ in ends] == [0, 0]
    assert Outcome.COMMITTED in [result.outcome for _, result in ends]
    assert copied.content() == finished.content()


def test_a_worker_alone_of_two_leaves_the_others_parts(copied, forker) -> None:
    order = copied.step("i1/respond")
    copied.uncommit("i1/respond")
    ((code, result),) = forker.run({"order": order, "shard": [1, 2]})
    assert (code, result.outcome, result.steps) == (0, Outcome.PARTIAL, ())
    assert copied.artifacts.parts(order.steps[0].key) == [1]


def test_joined_steps_share_their_parts_without_waiting(finished, copied, forker) -> None:
    respond, assess = copied.step("i1/respond"), copied.step("i1/assess")
    joined = respond.model_copy(update={"steps": respond.steps + assess.steps})
    copied.uncommit("i1/respond")
    copied.uncommit("i1/assess")
    ((_, first),) = forker.run({"order": joined, "shard": [0, 2]})
    assert (first.outcome, first.steps) == (Outcome.PARTIAL, ())
    ((_, second),) = forker.run({"order": joined, "shard": [1, 2]})
    assert second.outcome is Outcome.COMMITTED
    assert [step.id for step in second.steps] == ["i1/respond", "i1/assess"]
    assert second.steps[1].statistics["modelLoads"] == 0
    assert copied.content() == finished.content()


@pytest.mark.parametrize(
    ("damaged", "reader"),
    [("i1/respond", "i1/assess"), ("i1/assess", "i1/select"), ("i1/select", "i1/train")],
)
def test_a_corrupt_part_is_named(damaged, reader, copied, forker) -> None:
    order = copied.step(reader)
    copied.uncommit(reader)
    key = copied.key(damaged)
    path = copied.folder / f"default/stages/{key}/part-00001.jsonl.zst"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    ((code, result),) = forker.run({"order": order})
    assert (code, result.reason) == (74, "StoreCorrupt")
    assert f"{key}/part-00001" in result.message
    assert copied.artifacts.manifest(order.steps[0].key) is None


def test_a_run_notes_that_it_uses_each_of_its_stages(finished, copied, forker) -> None:
    used = sorted(path.name for path in (finished.folder / "default/refs").iterdir())
    assert used == sorted(finished.key(s) for s in finished.statistics if s != "prepare")
    refs = copied.folder / "default/refs"
    shutil.rmtree(refs)
    result = forker.carry_out(copied.step("i1/select"))
    assert result.steps[0].adopted
    assert [path.name for path in refs.glob("*/uid-1")] == ["uid-1"]
    assert (refs / copied.key("i1/select")).is_dir()

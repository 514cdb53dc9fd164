"""prepare: what it resolves, and every early error with its field and remedy."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from isheep.api.order import ExitCode, Runtime, StageOrder, StageResult
from isheep_worker.contract import Shard
from isheep_worker.meter import Meter
from isheep_worker.progress import Progress
from isheep_worker.stopping import StopFlag
from isheep_worker.worker import Worker

TASK = {"instruction": "Name a colour.", "input": "", "output": "Red."}


def carry_out(order: StageOrder) -> StageResult:
    worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())
    return worker.carry_out(order)


def lines(*tasks: object) -> str:
    return "".join(json.dumps(task) + "\n" for task in tasks)


def test_what_is_open_is_resolved_and_what_is_small_is_copied(make_chain, tmp_path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(lines(TASK, TASK | {"instruction": "Name a river."}))
    questions = tmp_path / "quiz.jsonl"
    questions.write_text(lines({"question": "Who wrote it?", "choices": ["A", "B"]}))
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "instructions.jinja").write_text("Invent {{ number_of_tasks }} tasks.\n")
    sources = {
        "seed_tasks": f"file://{seeds}",
        "templates": str(templates),
        "benchmarks": {"quiz": f"file://{questions}"},
    }
    chain = make_chain(tmp_path / "store", carry_out, sources=sources)
    chain.run(until="i1/generate")
    prepared = chain.prepared
    assert (prepared.engine, prepared.dtype, prepared.max_model_length) == (
        "Transformers",
        "float32",
        4096,
    )
    assert prepared.architecture == "LlamaForCausalLM"
    assert prepared.chat_format.kind == "Own"
    assert prepared.seed_tasks_count == 2
    assert chain.results["prepare"].frontier.count == 0
    inputs = tmp_path / "store/default/inputs"
    assert (inputs / prepared.seed_tasks_digest).read_text() == seeds.read_text()
    assert "Invent {{" in (inputs / prepared.templates_digest).read_text()
    texts = (inputs / prepared.benchmarks["quiz"]).read_text().splitlines()
    assert [json.loads(text) for text in texts] == ["Who wrote it?", "A", "B"]

    pinned = {"seedTasks": prepared.seed_tasks_digest, "model": prepared.model_digest}
    seeds.unlink()
    again = make_chain(tmp_path / "store", carry_out, sources=sources | {"pinned": pinned})
    again.run(until="i1/generate")
    assert again.prepared == prepared


@pytest.mark.parametrize(
    ("accelerator", "machine_has_gpu", "dtype"),
    [
        (None, False, "float32"),
        (None, True, "bfloat16"),
        ("GPU", False, "bfloat16"),
        ("CPU", True, "float32"),
    ],
)
def test_the_dtype_follows_the_machines_of_inference_where_the_driver_knows_them(
    accelerator, machine_has_gpu, dtype, make_chain, brief_model_dir, tmp_path, monkeypatch
) -> None:
    model = tmp_path / "model"
    shutil.copytree(brief_model_dir, model)
    config = json.loads((model / "config.json").read_text()) | {"dtype": "bfloat16"}
    (model / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("torch.cuda.is_available", lambda: machine_has_gpu)
    order = make_chain(tmp_path / "store", carry_out).next_order()
    order = order.model_copy(
        update={
            "sources": order.sources.model_copy(update={"model": str(model)}),
            "runtime": Runtime(accelerator=accelerator),
        }
    )
    assert carry_out(order).prepared.dtype == dtype


def test_the_stages_that_exist_are_noted_as_used(copied, tmp_path) -> None:
    shutil.rmtree(copied.folder / "default/refs")
    result = carry_out(copied.step("prepare"))
    assert result.frontier.count == len(copied.statistics) - 2  # not prepare, not the report
    used = {path.name for path in (copied.folder / "default/refs").iterdir()}
    assert used == {copied.key(s) for s in copied.statistics if s not in ("prepare", "i1/report")}


@pytest.mark.parametrize(
    ("changes", "sources", "message"),
    [
        ({"assessment__scoring": "Expected"}, {}, "assessment.scoring: Expected is not in this"),
        (
            {"iterations": 2, "training__handover": "Adapter"},
            {},
            "training.handover: Adapter is not in this version",
        ),
        ({"engine__vllm__maxModelLength": 5000}, {}, "engine.vllm.maxModelLength: 5000, but"),
        ({"training__maxLength": 5000}, {}, "training.maxLength: 5000, but"),
        (
            {"engine__vllm__maxModelLength": 600},
            {},
            "instructions.sampling.maxTokens: prompts of up to",
        ),
        ({"responses__sampling__maxTokens": 4096}, {}, "responses.sampling.maxTokens"),
        ({}, {"model": "file:///nowhere/model"}, "/nowhere/model"),
        ({}, {"model": "pvc://claim/model"}, "pvc://claim/model: the claim is not mounted here"),
        ({}, {"model": "ftp://host/model"}, "is of no kind that this worker reads"),
        ({}, {"seed_tasks": "file:///nowhere/tasks"}, "seedTasks.storageUri: /nowhere/tasks"),
        ({}, {"seed_tasks": "builtin:Other"}, "no seed tasks named 'Other'"),
        ({}, {"templates": "/nowhere/templates"}, "promptsRef: /nowhere/templates"),
        ({}, {"benchmarks": {"quiz": "file:///nowhere/quiz"}}, "benchmarks[quiz].storageUri"),
        ({}, {"pinned": {"model": "0" * 64}}, "are not those that the run began with"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_loaded(
    changes, sources, message, make_chain, tmp_path
) -> None:
    chain = make_chain(tmp_path / "store", carry_out, **changes)
    order = chain.next_order()
    order = order.model_copy(update={"sources": order.sources.model_copy(update=sources)})
    result = carry_out(order)
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert re.search(re.escape(message), result.message), result.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no seed tasks"),
        (lines(TASK) + "{nonsense\n", "seeds.jsonl, line 2"),
        (lines(TASK, {"input": "x"}), "line 2: field 'instruction' is missing"),
        (lines(TASK), "examplesPerPrompt is 2"),
    ],
)
def test_a_bad_seed_file_is_told_by_line_and_field(content, message, make_chain, tmp_path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(content)
    sources = {"seed_tasks": f"file://{seeds}"}
    result = carry_out(make_chain(tmp_path / "store", carry_out, sources=sources).next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadSeedTasks")
    assert message in result.message


def test_a_bad_template_is_told(make_chain, tmp_path) -> None:
    (tmp_path / "assess-simple").write_text("{{ instruction }}{{ nonsense }}")
    sources = {"templates": str(tmp_path)}
    result = carry_out(make_chain(tmp_path / "store", carry_out, sources=sources).next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadTemplate")


def test_a_model_that_is_only_a_pickle_is_refused(make_chain, brief_model_dir, tmp_path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(brief_model_dir, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    order = make_chain(tmp_path / "store", carry_out).next_order()
    sources = order.sources.model_copy(update={"model": str(folder)})
    result = carry_out(order.model_copy(update={"sources": sources}))
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadModel")
    assert "pickle" in result.message


def test_a_store_that_cannot_be_written_is_told(make_chain, tmp_path) -> None:
    (tmp_path / "store").write_text("a file")
    result = carry_out(make_chain(tmp_path / "store", carry_out).next_order())
    assert result.exit_code == ExitCode.DISK
    assert "file stands where a folder is needed" in result.message


def test_prepare_writes_no_stage(make_chain, tmp_path) -> None:
    make_chain(tmp_path / "store", carry_out).run(until="i1/generate")
    assert not (tmp_path / "store/default/stages").exists()

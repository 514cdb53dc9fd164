"""prepare: what it resolves, and every early error with its field and remedy."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import Runtime, StageOrder, StageResult
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "SelfInstruct"}, "selfInstruct.examplesPerPrompt is 8"),
        (
            {"recipe": "SelfInstruct", "selfInstruct__sampling__maxTokens": 4000},
            "selfInstruct.sampling.maxTokens: prompts of up to",
        ),
        (
            {"recipe": "SelfInstruct", "selfInstruct__instanceSampling__maxTokens": 4000},
            "selfInstruct.instanceSampling.maxTokens: prompts of up to",
        ),
        ({"recipe": "Alpaca"}, "alpaca.sampling.maxTokens: prompts of up to"),
        (
            {"recipe": "Alpaca", "alpaca__examplesPerPrompt": 16},
            "alpaca.examplesPerPrompt is 16",
        ),
    ],
)
def test_recipes_have_their_own_early_errors(changes, message, make_chain, tmp_path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    few = 7 if message.endswith("is 8") else 12
    long = "word " * 60
    seeds.write_text(lines(*({**TASK, "instruction": f"Name {n}. {long}"} for n in range(few))))
    sources = {"seed_tasks": f"file://{seeds}"}
    chain = make_chain(tmp_path / "store", carry_out, sources=sources, **changes)
    result = carry_out(chain.next_order())
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert message in result.message


def test_whole_tasks_need_outputs(make_chain, tmp_path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(lines(TASK, TASK, {**TASK, "id": "odd", "output": " "}))
    changes = {"recipe": "Alpaca", "alpaca__sampling__maxTokens": 50}
    sources = {"seed_tasks": f"file://{seeds}"}
    chain = make_chain(tmp_path / "store", carry_out, sources=sources, **changes)
    result = carry_out(chain.next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadSeedTasks")
    assert "field 'output' of the seed task odd" in result.message


@pytest.mark.parametrize(
    ("recipe", "own"), [("ISheep", False), ("SelfInstruct", True), ("Alpaca", False)]
)
def test_a_run_is_pinned_to_the_templates_of_its_recipe(recipe, own, make_chain, tmp_path) -> None:
    changes = {} if recipe != "Alpaca" else {"alpaca__sampling__maxTokens": 50}
    chain = make_chain(tmp_path / "store", carry_out, recipe=recipe, **changes)
    chain.run(until="i1/generate")
    texts = (tmp_path / "store/default/inputs" / chain.prepared.templates_digest).read_text()
    assert ("self-instruct-input-first" in json.loads(texts)) == own


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


def test_the_labels_of_expected_scores_are_resolved_for_each_format(make_chain, tmp_path) -> None:
    expected = {"iterations": 2, "assessment__scoring": "Expected", "assessment__decoding": "Free"}
    chain = make_chain(tmp_path / "store", carry_out, **expected)
    chain.run(until="i1/generate")
    labels = chain.prepared.score_labels
    assert list(labels) == ["Raw", "Chat"]
    assert {found.kind for found in labels.values()} == {"DigitsAfterNewline"}
    assert all(len(set(found.token_ids)) == 10 for found in labels.values())
    sampled = make_chain(tmp_path / "store", carry_out)
    sampled.run(until="i1/generate")
    assert sampled.prepared.score_labels is None
    # Runs that differ in how they score have what comes before in common.
    assert sampled.key("i1/generate/r1") == chain.key("i1/generate/r1")


def test_a_label_of_two_tokens_is_refused_before_anything_is_loaded(
    make_chain, brief_model_dir, joining, tmp_path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(brief_model_dir, folder)
    joining(" 7", "\n4", "\nB").save_pretrained(folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    expected = {"assessment__scoring": "Expected", "assessment__decoding": "Free"}
    order = make_chain(tmp_path / "store", carry_out, **expected).next_order()
    sources = order.sources.model_copy(update={"model": str(folder)})
    result = carry_out(order.model_copy(update={"sources": sources}))
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadInput")
    assert "assessment.scoring: Expected" in result.message
    assert "'7' behind 'Score: ' is not one token" in result.message


def test_a_runs_own_template_for_expected_scores_stays_pinned(make_chain, tmp_path) -> None:
    text = "{{ instruction }}{{ input }}{{ response }}{{ level }}: {{ labels }}\n"
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "score-simple.jinja").write_text(text)
    chain = make_chain(tmp_path / "store", carry_out, sources={"templates": str(templates)})
    chain.run(until="i1/generate")
    found = chain.prepared
    pinned = {
        "templates": found.templates_digest,
        "scoreTemplates": found.score_templates_digest,
    }
    again = make_chain(tmp_path / "store", carry_out, sources={"pinned": pinned})
    again.run(until="i1/generate")
    assert again.prepared == found
    content = (tmp_path / "store/default/inputs" / found.score_templates_digest).read_text()
    assert json.loads(content)["score-simple"] == text


@pytest.mark.parametrize(("method", "room"), [("Auto", False), ("None", True)])
def test_the_assessor_needs_room_only_where_it_is_asked(method, room, make_chain, tmp_path) -> None:
    changes = {"assessment__sampling__maxTokens": 4096, "selection__method": method}
    result = carry_out(make_chain(tmp_path / "store", carry_out, **changes).next_order())
    assert (result.exit_code == ExitCode.DONE) == room, result
    assert room or "assessment.sampling.maxTokens: prompts of up to" in result.message


def test_examples_that_cannot_be_shuffled_are_told(make_chain, tmp_path) -> None:
    text = "{{ instruction }}{{ input }}{{ response }}{{ level }}"
    (tmp_path / "assess-incontext.jinja").write_text(text)
    shuffled = {"assessment__rubric": "InContext", "assessment__exampleOrder": "Shuffled"}
    sources = {"templates": str(tmp_path)}
    chain = make_chain(tmp_path / "store", carry_out, sources=sources, **shuffled)
    result = carry_out(chain.next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadTemplate")
    assert "'assess-incontext' has 0 worked examples" in result.message
    shuffled["selection__method"] = "None"
    chain = make_chain(tmp_path / "store", carry_out, sources=sources, **shuffled)
    assert carry_out(chain.next_order()).exit_code == ExitCode.DONE


def test_a_store_that_cannot_be_written_is_told(make_chain, tmp_path) -> None:
    (tmp_path / "store").write_text("a file")
    result = carry_out(make_chain(tmp_path / "store", carry_out).next_order())
    assert result.exit_code == ExitCode.DISK
    assert "file stands where a folder is needed" in result.message


def test_prepare_writes_no_stage(make_chain, tmp_path) -> None:
    make_chain(tmp_path / "store", carry_out).run(until="i1/generate")
    assert not (tmp_path / "store/default/stages").exists()


def test_principles_that_leave_no_room_for_an_answer_are_told(make_chain, tmp_path) -> None:
    changes = {
        "recipe": "Dromedary",
        "engine__vllm__maxModelLength": 2500,
        "responses__sampling__maxTokens": 1200,
    }
    order = make_chain(tmp_path / "store", carry_out, **changes).next_order()
    result = carry_out(order)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "responses.sampling.maxTokens: prompts of up to" in result.message


def test_a_recipes_own_templates_are_in_its_own_runs_digest_alone(make_chain, tmp_path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "dromedary-verbose").write_text("At length: {{ instruction }}{{ input }}")
    short = {"recipe": "Dromedary", "dromedary__exemplars": 1}
    for changes, texts in (({}, 1), (short, 2)):
        digests = set()
        for sources in ({}, {"templates": str(folder)}):
            chain = make_chain(tmp_path / "store", carry_out, sources=sources, **changes)
            chain.run(until="i1/generate")
            digests.add(chain.prepared.templates_digest)
        assert len(digests) == texts

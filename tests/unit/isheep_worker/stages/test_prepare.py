"""prepare: the values that it resolves, and each early error with its field and remedy."""

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
from isheep_worker.templates.prompting import chat_format_digest, resolve_prompting

TASK = {"instruction": "Name a colour.", "input": "", "output": "Red."}


def run_order(order: StageOrder) -> StageResult:
    worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())
    return worker.run(order)


def lines(*tasks: object) -> str:
    return "".join(json.dumps(task) + "\n" for task in tasks)


def test_open_values_are_resolved_and_small_inputs_are_copied(make_driver, tmp_path) -> None:
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
    driver = make_driver(tmp_path / "store", run_order, sources=sources)
    driver.run(until="i1/generate")
    prepared = driver.prepared
    assert (prepared.engine, prepared.dtype, prepared.max_model_length) == (
        "Transformers",
        "float32",
        512,
    )
    assert prepared.architecture == "LlamaForCausalLM"
    assert prepared.chat_format.kind == "Own"
    assert prepared.seed_tasks_count == 2
    assert driver.results["prepare"].frontier.count == 0
    inputs = tmp_path / "store/default/inputs"
    assert (inputs / prepared.seed_tasks_digest).read_text() == seeds.read_text()
    assert "Invent {{" in (inputs / prepared.templates_digest).read_text()
    texts = (inputs / prepared.benchmarks["quiz"]).read_text().splitlines()
    assert [json.loads(text) for text in texts] == ["Who wrote it?", "A", "B"]

    pinned = {"seedTasks": prepared.seed_tasks_digest, "model": prepared.model_digest}
    seeds.unlink()
    again = make_driver(tmp_path / "store", run_order, sources=sources | {"pinned": pinned})
    again.run(until="i1/generate")
    assert again.prepared == prepared


def test_the_chat_format_with_thoughts_is_resolved_if_they_are_kept(
    make_driver, short_text_model_dir, tmp_path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(short_text_model_dir, model)
    (model / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ '<|im_start|>' + m.role + ': ' + m.content + '<|im_end|>' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant: <think>' }}{% endif %}"
    )

    def prepared(**changes: str):
        driver = make_driver(tmp_path / "store", run_order, model, **changes)
        driver.run(until="i1/generate")
        return driver.prepared

    kept, removed = prepared(responses__thinking="Keep"), prepared()
    assert removed.thinking_chat_format is None
    assert kept.chat_format == removed.chat_format
    keeping = resolve_prompting(model, "Keep").chat_format
    assert kept.thinking_chat_format == chat_format_digest(keeping)
    assert (keeping.after + keeping.lead).endswith("<|im_end|><|im_start|>assistant: ")


@pytest.mark.parametrize(
    ("accelerator", "machine_has_gpu", "dtype"),
    [
        (None, False, "float32"),
        (None, True, "bfloat16"),
        ("GPU", False, "bfloat16"),
        ("CPU", True, "float32"),
    ],
)
def test_the_dtype_is_that_of_the_orders_accelerator_or_of_this_machine(
    accelerator, machine_has_gpu, dtype, make_driver, short_text_model_dir, tmp_path, monkeypatch
) -> None:
    model = tmp_path / "model"
    shutil.copytree(short_text_model_dir, model)
    config = json.loads((model / "config.json").read_text()) | {"dtype": "bfloat16"}
    (model / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("torch.cuda.is_available", lambda: machine_has_gpu)
    order = make_driver(tmp_path / "store", run_order).next_order()
    order = order.model_copy(
        update={
            "sources": order.sources.model_copy(update={"model": str(model)}),
            "runtime": Runtime(accelerator=accelerator),
        }
    )
    assert run_order(order).prepared.dtype == dtype


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("mamba", {}, "Module 'out_proj' is incompatible with Mamba-based models"),
        ("qwen3_moe", {"quantization_config": {"quant_method": "gptq"}}, "quantized (gptq, in"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused_before_its_weights_are_downloaded(
    name, changes, message, make_driver, architecture_dir, tmp_path
) -> None:
    config = json.loads((architecture_dir(name) / "config.json").read_text()) | changes
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    order = make_driver(tmp_path / "store", run_order).next_order()
    sources = order.sources.model_copy(update={"model": str(tmp_path / "model")})
    result = run_order(order.model_copy(update={"sources": sources}))
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert message in result.message, result.message


def test_existing_stages_get_a_reference_to_the_run(copied_run, tmp_path) -> None:
    shutil.rmtree(copied_run.folder / "default/refs")
    result = run_order(copied_run.step("prepare"))
    assert result.frontier.count == len(copied_run.statistics) - 2  # not prepare, not the report
    used = {path.name for path in (copied_run.folder / "default/refs").iterdir()}
    assert used == {
        copied_run.key(s) for s in copied_run.statistics if s not in ("prepare", "i1/report")
    }


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
        (
            {},
            {"model": "ftp://host/model"},
            "model.storageUri: this worker cannot read 'ftp://host/model'; use hf://org/name, s3://",
        ),
        ({}, {"seed_tasks": "file:///nowhere/tasks"}, "seedTasks.storageUri: /nowhere/tasks"),
        ({}, {"seed_tasks": "builtin:Other"}, "no seed tasks named 'Other'"),
        ({}, {"templates": "/nowhere/templates"}, "promptsRef: /nowhere/templates"),
        ({}, {"benchmarks": {"quiz": "file:///nowhere/quiz"}}, "benchmarks[quiz].storageUri"),
        ({}, {"pinned": {"model": "0" * 64}}, "are not those that the run began with"),
    ],
)
def test_an_unusable_input_is_reported_before_a_model_is_loaded(
    changes, sources, message, make_driver, tmp_path
) -> None:
    driver = make_driver(tmp_path / "store", run_order, **changes)
    order = driver.next_order()
    order = order.model_copy(update={"sources": order.sources.model_copy(update=sources)})
    result = run_order(order)
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert re.search(re.escape(message), result.message), result.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file has no seed tasks"),
        (lines(TASK) + "{nonsense\n", "seeds.jsonl, line 2"),
        (lines(TASK, {"input": "x"}), "line 2: field 'instruction' is missing"),
        (lines(TASK), "examplesPerPrompt is 2"),
    ],
)
def test_the_message_about_a_bad_seed_file_names_line_and_field(
    content, message, make_driver, tmp_path
) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(content)
    sources = {"seed_tasks": f"file://{seeds}"}
    result = run_order(make_driver(tmp_path / "store", run_order, sources=sources).next_order())
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
def test_each_recipe_has_its_own_early_errors(changes, message, make_driver, tmp_path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    few = 7 if message.endswith("is 8") else 12
    long = "word " * 60
    seeds.write_text(lines(*({**TASK, "instruction": f"Name {n}. {long}"} for n in range(few))))
    sources = {"seed_tasks": f"file://{seeds}"}
    driver = make_driver(tmp_path / "store", run_order, sources=sources, **changes)
    result = run_order(driver.next_order())
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert message in result.message


def test_alpaca_needs_seed_tasks_with_outputs(make_driver, tmp_path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(lines(TASK, TASK, {**TASK, "id": "odd", "output": " "}))
    changes = {"recipe": "Alpaca", "alpaca__sampling__maxTokens": 50}
    sources = {"seed_tasks": f"file://{seeds}"}
    driver = make_driver(tmp_path / "store", run_order, sources=sources, **changes)
    result = run_order(driver.next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadSeedTasks")
    assert "field 'output' of the seed task odd" in result.message


@pytest.mark.parametrize(
    ("recipe", "own"), [("ISheep", False), ("SelfInstruct", True), ("Alpaca", False)]
)
def test_a_run_is_pinned_to_the_templates_of_its_recipe_only(
    recipe, own, make_driver, tmp_path
) -> None:
    changes = {} if recipe != "Alpaca" else {"alpaca__sampling__maxTokens": 50}
    driver = make_driver(tmp_path / "store", run_order, recipe=recipe, **changes)
    driver.run(until="i1/generate")
    texts = (tmp_path / "store/default/inputs" / driver.prepared.templates_digest).read_text()
    assert ("self-instruct-input-first" in json.loads(texts)) == own


def test_a_bad_template_is_refused(make_driver, tmp_path) -> None:
    (tmp_path / "assess-simple").write_text("{{ instruction }}{{ nonsense }}")
    sources = {"templates": str(tmp_path)}
    result = run_order(make_driver(tmp_path / "store", run_order, sources=sources).next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadTemplate")


def test_a_model_that_is_only_a_pickle_is_refused(
    make_driver, short_text_model_dir, tmp_path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(short_text_model_dir, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    order = make_driver(tmp_path / "store", run_order).next_order()
    sources = order.sources.model_copy(update={"model": str(folder)})
    result = run_order(order.model_copy(update={"sources": sources}))
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadModel")
    assert "pickle" in result.message


def test_the_labels_of_expected_scores_are_resolved_for_each_format(make_driver, tmp_path) -> None:
    expected = {"iterations": 2, "assessment__scoring": "Expected", "assessment__decoding": "Free"}
    driver = make_driver(tmp_path / "store", run_order, **expected)
    driver.run(until="i1/generate")
    labels = driver.prepared.score_labels
    assert list(labels) == ["Raw", "Chat"]
    assert {found.kind for found in labels.values()} == {"DigitsAfterNewline"}
    assert all(len(set(found.token_ids)) == 10 for found in labels.values())
    sampled = make_driver(tmp_path / "store", run_order)
    sampled.run(until="i1/generate")
    assert sampled.prepared.score_labels is None
    # The scoring method changes no key of a stage before assess.
    assert sampled.key("i1/generate/r1") == driver.key("i1/generate/r1")


def test_a_label_of_two_tokens_is_refused_before_a_model_is_loaded(
    make_driver, short_text_model_dir, joining, tmp_path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(short_text_model_dir, folder)
    joining(" 7", "\n4", "\nB").save_pretrained(folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    expected = {"assessment__scoring": "Expected", "assessment__decoding": "Free"}
    order = make_driver(tmp_path / "store", run_order, **expected).next_order()
    sources = order.sources.model_copy(update={"model": str(folder)})
    result = run_order(order.model_copy(update={"sources": sources}))
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadInput")
    assert "assessment.scoring: Expected" in result.message
    assert "'7' after 'Score: ' is not a single token" in result.message


def test_a_runs_own_template_for_expected_scores_stays_pinned(make_driver, tmp_path) -> None:
    text = "{{ instruction }}{{ input }}{{ response }}{{ level }}: {{ labels }}\n"
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "score-simple.jinja").write_text(text)
    driver = make_driver(tmp_path / "store", run_order, sources={"templates": str(templates)})
    driver.run(until="i1/generate")
    found = driver.prepared
    pinned = {
        "templates": found.templates_digest,
        "scoreTemplates": found.score_templates_digest,
    }
    again = make_driver(tmp_path / "store", run_order, sources={"pinned": pinned})
    again.run(until="i1/generate")
    assert again.prepared == found
    content = (tmp_path / "store/default/inputs" / found.score_templates_digest).read_text()
    assert json.loads(content)["score-simple"] == text


@pytest.mark.parametrize(("method", "room"), [("Auto", False), ("None", True)])
def test_the_assessors_prompts_must_fit_only_if_pairs_are_scored(
    method, room, make_driver, tmp_path
) -> None:
    changes = {"assessment__sampling__maxTokens": 4096, "selection__method": method}
    result = run_order(make_driver(tmp_path / "store", run_order, **changes).next_order())
    assert (result.exit_code == ExitCode.DONE) == room, result
    assert room or "assessment.sampling.maxTokens: prompts of up to" in result.message


def test_examples_that_cannot_be_shuffled_are_refused(make_driver, tmp_path) -> None:
    text = "{{ instruction }}{{ input }}{{ response }}{{ level }}"
    (tmp_path / "assess-incontext.jinja").write_text(text)
    shuffled = {"assessment__rubric": "InContext", "assessment__exampleOrder": "Shuffled"}
    sources = {"templates": str(tmp_path)}
    driver = make_driver(tmp_path / "store", run_order, sources=sources, **shuffled)
    result = run_order(driver.next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadTemplate")
    assert "'assess-incontext' has 0 worked examples" in result.message
    shuffled["selection__method"] = "None"
    driver = make_driver(tmp_path / "store", run_order, sources=sources, **shuffled)
    assert run_order(driver.next_order()).exit_code == ExitCode.DONE


def test_a_store_that_cannot_be_written_is_reported(make_driver, tmp_path) -> None:
    (tmp_path / "store").write_text("a file")
    result = run_order(make_driver(tmp_path / "store", run_order).next_order())
    assert result.exit_code == ExitCode.DISK
    assert "A path is a file but must be a folder, or the reverse." in result.message


def test_prepare_commits_no_stage(make_driver, tmp_path) -> None:
    make_driver(tmp_path / "store", run_order).run(until="i1/generate")
    assert not (tmp_path / "store/default/stages").exists()


def test_principles_that_leave_no_room_for_an_answer_are_refused(make_driver, tmp_path) -> None:
    changes = {
        "recipe": "Dromedary",
        "engine__vllm__maxModelLength": 2500,
        "responses__sampling__maxTokens": 1200,
    }
    order = make_driver(tmp_path / "store", run_order, **changes).next_order()
    result = run_order(order)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "responses.sampling.maxTokens: prompts of up to" in result.message


def test_a_recipes_own_templates_change_the_digest_of_its_runs_only(make_driver, tmp_path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "dromedary-verbose").write_text("At length: {{ instruction }}{{ input }}")
    short = {"recipe": "Dromedary", "dromedary__exemplars": 1}
    for changes, texts in (({}, 1), (short, 2)):
        digests = set()
        for sources in ({}, {"templates": str(folder)}):
            driver = make_driver(tmp_path / "store", run_order, sources=sources, **changes)
            driver.run(until="i1/generate")
            digests.add(driver.prepared.templates_digest)
        assert len(digests) == texts

"""prepare: every early error, before a GPU is asked for, and all that the run is pinned to.

It reads what the run names (seed tasks, templates, benchmarks, the model's
configuration and tokenizer), checks it, resolves what the spec leaves open (engine,
dtype, length, chat format), proves that the store keeps its promise, copies the small
inputs into it by digest, and walks the recipe to see how much of the run exists
already. It commits nothing: what it found is its result.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from typing import Literal

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import ChatFormatRef, Prepared, ScoreLabelsRef
from isheep.planner import pinning
from isheep.planner.frontier import known_stages
from isheep.recipes import defaults
from isheep.recipes.builders.assess import assessor_formats, expects_scores
from isheep.recipes.builders.select import wants_scores
from isheep.recipes.defaults import resolve
from isheep.recipes.interface import Statistics
from isheep.recipes.prediction import predicted_stages
from isheep.recipes.registry import RECIPES
from isheep.recipes.settings import PrepareSettings
from isheep.store.documents import RunDocuments
from isheep.store.manifest import encode
from isheep_worker.curation.decontamination import read_benchmark
from isheep_worker.engines.registry import EngineKind
from isheep_worker.execution.commit import timings
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.references import note_use
from isheep_worker.inputs.model_files import ModelFiles, inspect_model
from isheep_worker.inputs.seed_tasks import (
    SeedTask,
    check_enough_seed_tasks,
    check_outputs,
    read_seed_tasks,
)
from isheep_worker.inputs.sources import SourceReader, Text, read_templates
from isheep_worker.runtime.meter import Activity
from isheep_worker.runtime.orders import BadInputError
from isheep_worker.scoring.resolution import resolve_labels
from isheep_worker.stages.prompt_lengths import check_prompt_lengths
from isheep_worker.task_lists.registry import WHOLE
from isheep_worker.templates.example_order import ExampleOrders
from isheep_worker.templates.library import FOR_EXPECTED_SCORES, TemplateLibrary
from isheep_worker.templates.longest_prompts import Known
from isheep_worker.templates.prompting import (
    Prompting,
    chat_format_digest,
    dump_templates,
    load_library,
    resolve_prompting,
)
from isheep_worker.templates.rubric import EXPECTED_TEMPLATE_OF, TEMPLATE_OF

TIMINGS_FILE = "prepare.json"
Dtype = Literal["float32", "bfloat16", "float16"]
_DTYPES: Mapping[str, Dtype] = {"Float32": "float32", "BFloat16": "bfloat16", "Float16": "float16"}


def run(context: StageContext[PrepareSettings]) -> StageOutcome:
    """Check and resolve the run's inputs; raises what says why they cannot be used."""
    spec = SelfAlignmentRunSpec.read_stored(context.settings.spec)
    context.artifacts.store.probe()
    prepared = _prepare(context, resolve(spec))

    found: list[str] = []

    def exists(key: str) -> Statistics | None:
        manifest = context.artifacts.manifest(key)
        if manifest is None:
            return None
        found.append(key)
        return manifest.statistics

    frontier = known_stages(
        RECIPES[spec.recipe], spec, prepared, context.order.stage_versions, exists
    )
    # No order will be sent for these stages, so nobody else notes that this run uses them.
    note_use(context.artifacts.store, context.order.run, found)
    _note_time(context)
    return StageOutcome(prepared=prepared, frontier=frontier)


def _note_time(context: StageContext[PrepareSettings]) -> None:
    """Leave where prepare's seconds went beside the run: it has no manifest to hold them."""
    RunDocuments(context.artifacts.store, context.order.run).write(
        TIMINGS_FILE, encode(timings(context))
    )


def _prepare(context: StageContext[PrepareSettings], spec: SelfAlignmentRunSpec) -> Prepared:
    texts = _Texts(context)
    seed_text = texts.seed_tasks()
    seeds = read_seed_tasks(seed_text.content, seed_text.name)
    check_enough_seed_tasks(
        seeds,
        spec.instructions.examples_per_prompt,
        seed_text.name,
        field=f"spec.{defaults.instructions_member(spec)}.examplesPerPrompt",
    )
    if defaults.TASK_LISTS.get(spec.recipe) in WHOLE:
        check_outputs(seeds, seed_text.name)
    library = texts.templates()
    benchmarks = texts.benchmarks()
    with context.meter.measure(Activity.LOAD):
        model = inspect_model(context.models.base())
        prompting = resolve_prompting(context.models.tokenizer())
        gpu = _on_gpu(context)
    _refuse_changed_model(context, model)
    length = _max_length(spec, model)
    _check_orders(spec, library)
    chat_format = prompting.chat_format
    prepared = Prepared(
        model_digest=model.digest,
        model_revision=context.models.revision(),
        architecture=model.architecture,
        seed_tasks_digest=context.inputs.put(seed_text.content),
        seed_tasks_count=len(seeds),
        templates_digest=context.inputs.put(
            dump_templates(library, library.names_of(spec.recipe) - FOR_EXPECTED_SCORES)
        ),
        score_templates_digest=context.inputs.put(dump_templates(library, FOR_EXPECTED_SCORES)),
        benchmarks={name: context.inputs.put(text) for name, text in benchmarks.items()},
        engine=_engine(spec),
        dtype=_dtype(spec, model, gpu=gpu),
        max_model_length=length,
        chat_format=ChatFormatRef(
            kind=chat_format.kind,
            digest=chat_format_digest(chat_format),
            end_of_turn_ids=chat_format.end_of_turn_ids,
            stop_token_ids=chat_format.stop_token_ids,
        ),
        score_labels=_score_labels(spec, library, prompting) if expects_scores(spec) else None,
    )
    known = _known(spec, library, prompting, seeds)
    check_prompt_lengths(predicted_stages(RECIPES[spec.recipe], spec, prepared), known, length)
    return prepared


def _known(
    spec: SelfAlignmentRunSpec,
    library: TemplateLibrary,
    prompting: Prompting,
    seeds: Sequence[SeedTask],
) -> Known:
    """Return what the run's longest prompts are made from; all are counted as raw ones."""
    return Known(
        library=library,
        seed_tasks=seeds,
        length=lambda text: len(prompting.renderer.raw(text)),
        instructions_field=f"{defaults.instructions_member(spec)}.sampling",
        response=spec.responses.sampling.max_tokens,
    )


class _Texts:
    """The run's small inputs: from the store where they are pinned, else from their sources."""

    def __init__(self, context: StageContext[PrepareSettings]) -> None:
        self._sources = context.order.sources
        self._inputs = context.inputs
        self._reader = SourceReader(context.order.store, self._sources.mirrors)

    def seed_tasks(self) -> Text:
        digest = self._sources.pinned.get(pinning.SEED_TASKS)
        if digest is not None:
            return Text(self._inputs.get(digest), "the run's pinned seed tasks")
        return self._reader.seed_tasks(self._sources.seed_tasks)

    def templates(self) -> TemplateLibrary:
        names = (pinning.TEMPLATES, pinning.SCORE_TEMPLATES)
        digests = [d for name in names if (d := self._sources.pinned.get(name)) is not None]
        if digests:
            return load_library(self._inputs, *digests)
        return TemplateLibrary(read_templates(self._sources.templates))

    def benchmarks(self) -> dict[str, bytes]:
        """Return each benchmark's texts, one JSON string a line; raises `BenchmarkError`."""
        return {name: self._benchmark(name) for name in sorted(self._sources.benchmarks)}

    def _benchmark(self, name: str) -> bytes:
        digest = self._sources.pinned.get(f"{pinning.BENCHMARK}{name}")
        if digest is not None:
            return self._inputs.get(digest)
        field = f"curation.decontamination.benchmarks[{name}].storageUri"
        text = self._reader.read(self._sources.benchmarks[name], field)
        texts = read_benchmark(text.content.splitlines(), text.name)
        return "".join(json.dumps(item) + "\n" for item in texts).encode()


def _refuse_changed_model(context: StageContext[PrepareSettings], model: ModelFiles) -> None:
    pinned = context.order.sources.pinned.get(pinning.MODEL)
    if pinned is not None and pinned != model.digest:
        raise BadInputError(
            f"model.storageUri: the files of {context.order.sources.model} are not those that the "
            f"run began with (digest {model.digest}, not {pinned}); restore them, or edit the "
            "run's model so that it is resolved anew"
        )


def _engine(spec: SelfAlignmentRunSpec) -> EngineKind:
    if spec.engine.type == "VLLM" and importlib.util.find_spec("vllm") is None:
        raise BadInputError(
            "engine.type: VLLM, but vllm is not installed here; install the extra `gpu` (or "
            "requirements/worker-cpu.txt on a CPU), or set engine.type: Transformers"
        )
    return spec.engine.type


def _dtype(spec: SelfAlignmentRunSpec, model: ModelFiles, *, gpu: bool) -> Dtype:
    if spec.engine.dtype != "Auto":
        return _DTYPES[spec.engine.dtype]
    if not gpu or model.dtype not in _DTYPES.values():
        return "float32"
    return model.dtype


def _on_gpu(context: StageContext[PrepareSettings]) -> bool:
    """Return whether the model will run on a GPU: on this machine, or where the driver says."""
    accelerator = context.order.runtime.accelerator
    if accelerator is not None:
        return accelerator == "GPU"
    import torch  # noqa: PLC0415 (heavy)

    return bool(torch.cuda.is_available())


def _max_length(spec: SelfAlignmentRunSpec, model: ModelFiles) -> int:
    """Return how long a prompt with its completion may be, in tokens."""
    wanted, own = spec.engine.vllm.max_model_length, model.max_length
    if wanted is not None and own is not None and wanted > own:
        raise BadInputError(
            f"engine.vllm.maxModelLength: {wanted}, but the model was made for {own} tokens; "
            f"set {own} or less"
        )
    if own is not None and spec.training.max_length > own:
        raise BadInputError(
            f"training.maxLength: {spec.training.max_length}, but the model was made for {own} "
            f"tokens; set {own} or less"
        )
    length = wanted or own
    if length is None:
        raise BadInputError(
            "engine.vllm.maxModelLength: the model's config.json does not say how long its texts "
            "may be (max_position_embeddings); set this field"
        )
    return length


def _score_labels(
    spec: SelfAlignmentRunSpec, library: TemplateLibrary, prompting: Prompting
) -> dict[Literal["Raw", "Chat"], ScoreLabelsRef]:
    """Return the labels for each way in which an assessor is asked; raises `BadInputError`."""
    assessment = spec.assessment
    found = {
        prompt_format: resolve_labels(
            library, prompting.renderer, prompt_format, assessment.rubric, assessment.levels
        )
        for prompt_format in assessor_formats(spec)
    }
    return {
        prompt_format: ScoreLabelsRef(kind=labels.kind, token_ids=labels.token_ids)
        for prompt_format, labels in found.items()
    }


def _check_orders(spec: SelfAlignmentRunSpec, library: TemplateLibrary) -> None:
    """Raise `PromptTemplateError` where worked examples are to be shuffled and cannot be."""
    assessment = spec.assessment
    if assessment.example_order != "Shuffled" or not wants_scores(spec):
        return
    if assessment.scoring == "Sampled" or assessment.compare is not None:
        ExampleOrders(library, TEMPLATE_OF[assessment.rubric])
    if expects_scores(spec):
        ExampleOrders(library, EXPECTED_TEMPLATE_OF[assessment.rubric])

"""prepare: find each early error before a GPU is requested, and resolve the run's open settings.

The stage reads the inputs that the run names (seed tasks, templates, benchmarks, the model's
configuration and tokenizer) and checks them. It resolves the settings that the spec does not fix
(engine, dtype, length, chat format); the run is pinned to these values. It tests that the store
accepts a conditional write only once, and copies the small inputs into the store by digest. Then it
walks the recipe to find the stages that exist already. It commits nothing: its result contains the
resolved values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from isheep.api.recipe_registry import definition_of
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import ChatFormatRef, Prepared
from isheep.planner.frontier import known_stages
from isheep.recipes import defaults
from isheep.recipes.builders.judge import scores_by_judge
from isheep.recipes.defaults import resolve
from isheep.recipes.interface import Statistics
from isheep.recipes.prediction import predicted_stages
from isheep.recipes.registry import recipe_named
from isheep.recipes.settings import PrepareSettings
from isheep.store.documents import RunDocuments
from isheep.store.manifest import encode
from isheep_worker.execution.commit import timings
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.references import note_use
from isheep_worker.inputs.model_files import check_configuration, inspect_model
from isheep_worker.inputs.seed_tasks import (
    SeedTask,
    check_enough_seed_tasks,
    check_outputs,
    read_seed_tasks,
)
from isheep_worker.preparation.adaptation import check_adapted_weights, check_adapter
from isheep_worker.preparation.assessment import check_example_orders, resolve_score_labels
from isheep_worker.preparation.engine import resolve_engine
from isheep_worker.preparation.evaluation import PreparedEvaluation, prepare_evaluation
from isheep_worker.preparation.input_texts import InputTexts
from isheep_worker.preparation.judge import (
    JudgeModel,
    inspect_judge,
    is_judged,
    prepared_judge,
    probe_endpoint,
)
from isheep_worker.preparation.judgements import PreparedJudgement, prepare_judgements
from isheep_worker.preparation.memorization import prepare_memorization
from isheep_worker.preparation.model import (
    check_model_is_pinned_one,
    resolve_dtype,
    resolve_max_length,
    runs_on_gpu,
)
from isheep_worker.preparation.prompt_lengths import check_prompt_lengths, measured_prompts
from isheep_worker.preparation.result_size import check_result_size
from isheep_worker.rows.file_names import PREPARE_TIMINGS_FILE
from isheep_worker.runtime.meter import Activity
from isheep_worker.stages.registry import longest_prompts_of
from isheep_worker.task_lists.registry import WHOLE
from isheep_worker.templates.library import (
    FOR_EXPECTED_SCORES,
    FOR_JUDGEMENTS,
    TemplateLibrary,
)
from isheep_worker.templates.longest_prompts import Known
from isheep_worker.templates.prompting import (
    Prompting,
    chat_format_digest,
    dump_templates,
    resolve_prompting,
)


def run(context: StageContext[PrepareSettings]) -> StageOutcome:
    """Check and resolve the run's inputs; raise a `WorkerError` for the first one that is bad."""
    spec = SelfAlignmentRunSpec.read_stored(context.settings.spec)
    context.artifacts.store.probe()
    prepared = _prepare(context, resolve(spec))
    check_result_size(prepared)

    found: list[str] = []

    def exists(key: str) -> Statistics | None:
        manifest = context.artifacts.manifest(key)
        if manifest is None:
            return None
        found.append(key)
        return manifest.statistics

    frontier = known_stages(
        recipe_named(spec.recipe), spec, prepared, context.order.stage_versions, exists
    )
    # The driver sends no order for stages that exist, so no other worker notes this use of them.
    note_use(context.artifacts.store, context.order.run, found)
    _write_timings(context)
    return StageOutcome(prepared=prepared, frontier=frontier)


def _write_timings(context: StageContext[PrepareSettings]) -> None:
    """Write the times of prepare under the run's name, because prepare has no manifest."""
    RunDocuments(context.artifacts.store, context.order.run).write(
        PREPARE_TIMINGS_FILE, encode(timings(context))
    )


def _prepare(context: StageContext[PrepareSettings], spec: SelfAlignmentRunSpec) -> Prepared:
    texts = InputTexts(context.order, context.inputs)
    seed_text = texts.seed_tasks()
    seeds = read_seed_tasks(seed_text.content, seed_text.name)
    check_enough_seed_tasks(
        seeds,
        spec.instructions.examples_per_prompt,
        seed_text.name,
        field=f"spec.{defaults.instructions_field(spec)}.examplesPerPrompt",
    )
    recipe = definition_of(spec.recipe)
    if recipe.task_list in WHOLE:
        check_outputs(seeds, seed_text.name)
    library = texts.templates()
    benchmarks = texts.benchmarks()
    with context.meter.measure(Activity.LOAD):
        # These checks need no weights, so they come before the download.
        check_configuration(context.models.tokenizer())
        adaptation = check_adapter(spec, context.models.tokenizer()) if recipe.trains else None
        base = context.models.base()
        model = inspect_model(base)
        prompting = resolve_prompting(context.models.tokenizer())
        on_gpu = runs_on_gpu(context.order.runtime)
        judge = inspect_judge(spec, context.models, context.order.sources)
    check_model_is_pinned_one(context.order.sources, model)
    if adaptation is not None:
        check_adapted_weights(adaptation, base)
    check_example_orders(spec, library)
    chat_format = prompting.chat_format
    evaluation = prepare_evaluation(
        spec,
        texts,
        context.inputs,
        folder=context.models.tokenizer(),
        chat_format=chat_format,
        own_length=model.max_length,
    )
    judgements = prepare_judgements(
        spec,
        texts,
        context.inputs,
        library=library,
        prompting=prompting,
        folder=context.models.tokenizer(),
        own_length=model.max_length,
    )
    prepared = Prepared(
        model_digest=model.digest,
        model_revision=context.models.revision(),
        architecture=model.architecture,
        seed_tasks_digest=context.inputs.put(seed_text.content),
        seed_tasks_count=len(seeds),
        templates_digest=context.inputs.put(
            dump_templates(
                library, library.names_of(spec.recipe) - FOR_EXPECTED_SCORES - FOR_JUDGEMENTS
            )
        ),
        score_templates_digest=context.inputs.put(dump_templates(library, FOR_EXPECTED_SCORES)),
        benchmarks={name: context.inputs.put(text) for name, text in benchmarks.items()},
        engine=resolve_engine(spec),
        dtype=resolve_dtype(spec, model, on_gpu=on_gpu),
        max_model_length=0,  # resolved below, from the prompts of the stages
        chat_format=ChatFormatRef(
            kind=chat_format.kind,
            digest=chat_format_digest(chat_format),
            end_of_turn_ids=chat_format.end_of_turn_ids,
            stop_token_ids=chat_format.stop_token_ids,
        ),
        thinking_chat_format=_thinking_chat_format(context, spec),
        score_labels=resolve_score_labels(spec, library, _assessor(spec, judge, prompting)),
        judge=prepared_judge(spec, judge, on_gpu=on_gpu, needed=0) if judge else None,
        **_evaluated(evaluation, judgements),
        memorization=prepare_memorization(
            spec, evaluation, context.inputs, prompting=prompting, own_length=model.max_length
        ),
    )
    known = replace(
        _known(spec, library, prompting, seeds),
        questions={one.reference.digest: one.longest for one in judgements.values()},
    )
    predicted = list(predicted_stages(recipe_named(spec.recipe), spec, prepared))
    stages = [stage for stage in predicted if not is_judged(stage)]
    prompts = measured_prompts(stages, known, longest_prompts_of)
    # Not the benchmarks: the length is in the keys of all stages, and a benchmark that is added to
    # a finished run must train nothing again. The stages that answer have a length of their own.
    needed = max((prompt.with_answer for prompt in prompts), default=0)
    max_length = resolve_max_length(spec, model, needed)
    check_prompt_lengths(prompts, max_length)
    resolved: dict[str, Any] = {"max_model_length": max_length}
    judged = [stage for stage in predicted if is_judged(stage)]
    if judge is not None:
        length = _length_of(judge.prompting)
        prompts = measured_prompts(judged, replace(known, length=length), longest_prompts_of)
        needed = max((prompt.with_answer for prompt in prompts), default=0)
        resolved["judge"] = prepared_judge(spec, judge, on_gpu=on_gpu, needed=needed)
        check_prompt_lengths(prompts, resolved["judge"].max_model_length)
    endpoint = context.order.sources.judge_endpoint
    if endpoint is not None:
        probe_endpoint(spec, endpoint, measured_prompts(judged, known, longest_prompts_of))
    return prepared.model_copy(update=resolved)


def _assessor(
    spec: SelfAlignmentRunSpec, judge: JudgeModel | None, prompting: Prompting
) -> Prompting:
    """Return the chat format of the model that scores the pairs."""
    return judge.prompting if judge is not None and scores_by_judge(spec) else prompting


def _length_of(prompting: Prompting) -> Callable[[str], int]:
    """Return the function that counts the tokens of a raw text."""
    return lambda text: len(prompting.renderer.raw(text))


def _evaluated(
    evaluation: PreparedEvaluation | None, judgements: Mapping[str, PreparedJudgement]
) -> dict[str, Any]:
    """Return the fields of the result that describe the benchmarks and judgements."""
    judged = {name: one.reference for name, one in judgements.items()}
    if evaluation is None:
        return {"evaluation": judged} if judged else {}
    return {
        "evaluation": {**evaluation.benchmarks, **judged},
        "evaluation_texts": evaluation.texts,
        "harness": evaluation.harness,
    }


def _thinking_chat_format(
    context: StageContext[PrepareSettings], spec: SelfAlignmentRunSpec
) -> str | None:
    """Return the digest of the chat format for responses with thoughts, or None without them."""
    if spec.responses.thinking != "Keep":
        return None
    prompting = resolve_prompting(context.models.tokenizer(), "Keep")
    return chat_format_digest(prompting.chat_format)


def _known(
    spec: SelfAlignmentRunSpec,
    library: TemplateLibrary,
    prompting: Prompting,
    seeds: Sequence[SeedTask],
) -> Known:
    """Return the inputs of the longest prompts; the length of each prompt is that of raw text."""
    return Known(
        library=library,
        seed_tasks=seeds,
        length=_length_of(prompting),
        instructions_field=f"{defaults.instructions_field(spec)}.sampling",
        response=spec.responses.sampling.max_tokens,
    )

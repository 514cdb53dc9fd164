"""The judge of a run: its model, or one request to its endpoint, before a GPU is requested.

The judge's model is checked as M(0) is, and has a chat format and a length of its own. An endpoint
has no files, so prepare sends it the longest prompt that is known: this shows whether it can be
reached, whether it accepts the key, whether it knows the model, and whether the prompt fits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import JudgeEndpointRef, Sources
from isheep.contract.prepared import PreparedJudge
from isheep.planner import pinning
from isheep.recipes.builders.judge import judges_answers, scores_by_judge
from isheep.recipes.interface import JUDGE_MODEL, Stage
from isheep_worker.engines.endpoint_client import open_endpoint
from isheep_worker.engines.endpoint_errors import origin
from isheep_worker.engines.interface import Request
from isheep_worker.inputs.model_files import ModelFiles, check_configuration, inspect_model
from isheep_worker.inputs.models import ModelFolders
from isheep_worker.preparation.model import needed_length, resolve_dtype
from isheep_worker.preparation.prompt_lengths import MeasuredPrompt
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.prompting import Prompting, chat_format_digest, resolve_prompting

_LOG = logging.getLogger(__name__)
_FILLER = " word"
"""About one token in most tokenizers; stands for a token that a model of the run will write."""


@dataclass(frozen=True, slots=True)
class JudgeModel:
    """The model of a judge: its files and its chat format."""

    files: ModelFiles
    prompting: Prompting
    revision: str | None


def inspect_judge(
    spec: SelfAlignmentRunSpec, models: ModelFolders, sources: Sources
) -> JudgeModel | None:
    """Check the files of the judge's model; warn if the judge is a relative of M(0).

    Returns:
        The model, or None if the run has no judge that its engine loads.

    Raises:
        BadInputError, ModelFilesError: The model cannot be used, or is not the pinned one.
        SourceUnreachableError: Its location does not answer.
    """
    if sources.judge is None:
        return None
    config = check_configuration(models.tokenizer("Judge"))
    family = config.get("model_type")
    if family is not None and family == check_configuration(models.tokenizer()).get("model_type"):
        _LOG.warning(
            "judge.model: its model_type %s is that of M(0), so it can prefer the text of M(0); use"
            " a judge of another family if you can",
            family,
        )
    files = inspect_model(models.base("Judge"))
    pinned = sources.pinned.get(pinning.JUDGE)
    if pinned is not None and pinned != files.digest:
        raise BadInputError(
            f"judge.model.storageUri: the files of {sources.judge} are not those that the run "
            f"began with (their digest is {files.digest}, not {pinned}); restore the files, or edit"
            " the run's judge so that it is resolved again"
        )
    prompting = resolve_prompting(models.tokenizer("Judge"))
    is_chat = spec.assessment.prompt_format != "Raw"
    if scores_by_judge(spec) and is_chat and prompting.chat_format.kind != "Own":
        raise BadInputError(
            f"judge.model.storageUri: {sources.judge} has no chat template, so it does not answer "
            "chats; use a judge with one, or set assessment.promptFormat: Raw"
        )
    if judges_answers(spec) and prompting.chat_format.kind != "Own":
        raise BadInputError(
            f"judge.model.storageUri: {sources.judge} has no chat template, and "
            "evaluation.judgements asks it in chats; use a judge with one"
        )
    return JudgeModel(files, prompting, models.revision("Judge"))


def prepared_judge(
    spec: SelfAlignmentRunSpec, judge: JudgeModel, *, on_gpu: bool, needed: int
) -> PreparedJudge:
    """Return what the stages need of a judge's model; `needed` is the length of its prompts."""
    return PreparedJudge(
        digest=judge.files.digest,
        revision=judge.revision,
        dtype=resolve_dtype(spec, judge.files, on_gpu=on_gpu),
        max_model_length=needed_length(spec, judge.files, needed),
        chat_format=chat_format_digest(judge.prompting.chat_format),
    )


def is_judged(stage: Stage) -> bool:
    """Return whether the judge, and no model of the run, gets the prompts of a stage."""
    return stage.model == JUDGE_MODEL or stage.asks_endpoint


def probe_endpoint(
    spec: SelfAlignmentRunSpec, endpoint: JudgeEndpointRef, prompts: Iterable[MeasuredPrompt]
) -> None:
    """Send the longest prompt to an endpoint.

    Raises:
        BadInputError: The endpoint refuses the key, the model, the request or its length.
        SourceUnreachableError: The endpoint does not answer.
    """
    longest = max(prompts, key=lambda prompt: prompt.with_answer, default=None)
    text = "" if longest is None else longest.prompt.text + _FILLER * longest.prompt.generated
    sampling = spec.assessment.sampling
    request = Request(
        id="prepare",
        prompt_token_ids=(),
        text=text or "Answer with the number 1.",
        seed=spec.random_seed,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens if longest is None else longest.prompt.answer,
    )
    client = open_endpoint(endpoint)
    try:
        answer = client.ask(request)
    finally:
        client.close()
    place = f"judge.endpoint: {origin(endpoint.url)}"
    field = (longest.prompt.field if longest is not None else None) or "assessment.sampling"
    if answer is None:
        length = 0 if longest is None else longest.tokens
        raise BadInputError(
            f"{place}: the longest prompt, of about {length} tokens, and {request.max_tokens} for "
            f"the answer do not fit {endpoint.model!r}; use a model with a longer context, or lower"
            f" the numbers of tokens in {field} or responses.sampling"
        )
    if not answer.text.strip() and answer.finish_reason == "length":
        raise BadInputError(
            f"{place}: {endpoint.model!r} writes no answer within {request.max_tokens} tokens, "
            f"because its thoughts need them; raise the number of tokens for its answer in {field}"
        )

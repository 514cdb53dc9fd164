"""Functions that all inference stages share: the model, the requests for it, and the parts.

The engine is loaded only if a part is missing. A worker whose parts are all stored commits without
loading a model.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from isheep.contract.choices import PromptFormat
from isheep.contract.order import ContractError, Outcome
from isheep.recipes.interface import part_count
from isheep.recipes.settings import (
    ClassifySettings,
    InstantiateSettings,
    ModelSettings,
    RespondSettings,
    Sampling,
    StageSettings,
)
from isheep_worker.engines.interface import Completion, Engine, Request
from isheep_worker.execution.commit import commit_parts
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.engine_provider import EngineSpec
from isheep_worker.execution.journal import Journal
from isheep_worker.execution.missing_parts import MissingParts
from isheep_worker.execution.parts import PartProgram, fill_parts
from isheep_worker.execution.served import served_statistics
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.runtime.errors import SourceUnreachableError
from isheep_worker.runtime.meter import Activity
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.prompting import load_library, load_prompting, token_ids


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of an item, and the strings that end its completion."""

    token_ids: Sequence[int]
    stop: tuple[str, ...] = ()


class TextInference(Protocol):
    """The model of a stage, loaded or at an endpoint, for stages whose prompts are texts."""

    library: TemplateLibrary

    @property
    def model_loads(self) -> int:
        """How many models the stage loaded in this process."""

    def engine(self) -> Engine:
        """Return the engine that completes the requests."""

    def release(self) -> None:
        """Say that the stage needs the engine no more."""

    def text_request(
        self,
        id_: str,
        text: str,
        prompt_format: PromptFormat,
        seed: int,
        sampling: Sampling,
        *,
        stop: tuple[str, ...] = (),
        regex: str | None = None,
    ) -> Request | None:
        """Return a request for a text, or None if the prompt is too long."""


class Inference:
    """The model of a stage and the prompts for it."""

    def __init__(
        self, context: StageContext[StageSettings], model: ModelSettings, *templates: str
    ) -> None:
        """Load tokenizer and templates; `templates` are the digests of the run's templates."""
        self._context = context
        self._model = model
        self.library = load_library(context.inputs, *templates)
        with context.meter.measure(Activity.LOAD):
            prompting = load_prompting(context.models.tokenizer(model.of), model.chat_format)
        self.renderer = prompting.renderer
        self._stop_token_ids = prompting.chat_format.stop_token_ids
        self.model_loads = 0

    def engine(self) -> Engine:
        """Return the engine; load it unless an earlier order has loaded it."""
        with self._context.meter.measure(Activity.LOAD):
            keys = self._context.step.inputs.get("model", ())
            weights = self._context.models.weights(self._model, keys)
        spec = EngineSpec(
            model=weights.name,
            engine=self._model.engine,
            dtype=self._model.dtype,
            max_model_length=self._engine_length(),
            runtime=self._context.order.runtime,
        )
        engines = self._context.engines
        self.model_loads = int(not engines.loaded(spec, weights.adapter))
        return engines.get(spec, weights.folder, weights.adapter)

    def _engine_length(self) -> int:
        """Return the length of the engine, which also serves the other stages of the run."""
        own = self._model.max_model_length
        shared = None if self._model.of == "Judge" else self._context.order.runtime.engine_length
        return max(own, shared or 0)

    def release(self) -> None:
        """Do nothing: the engine stays loaded for the next stage."""

    def fits(self, prompt: Sequence[int], sampling: Sampling) -> bool:
        """Return whether a prompt leaves room for its completion."""
        return len(prompt) + sampling.max_tokens <= self._model.max_model_length

    def request(
        self,
        id_: str,
        prompt: Sequence[int],
        seed: int,
        sampling: Sampling,
        *,
        stop: tuple[str, ...] = (),
        regex: str | None = None,
        logprob: bool = False,
    ) -> Request:
        """Return a request. Every request stops at the model's end-of-turn tokens."""
        return Request(
            id=id_,
            prompt_token_ids=tuple(prompt),
            seed=seed,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=stop,
            stop_token_ids=self._stop_token_ids,
            regex=regex,
            presence_penalty=sampling.presence_penalty or 0.0,
            logprob=logprob,
        )

    def text_request(
        self,
        id_: str,
        text: str,
        prompt_format: PromptFormat,
        seed: int,
        sampling: Sampling,
        *,
        stop: tuple[str, ...] = (),
        regex: str | None = None,
    ) -> Request | None:
        """Return a request for a raw prompt or a user's message, or None if it is too long."""
        if prompt_format == "Chat" and regex is not None:
            # The answer must begin with its form, so the white space before it is in the prompt.
            prompt = self.renderer.chat(text, "")
        else:
            prompt = token_ids(self.renderer, prompt_format, text)
        if not self.fits(prompt, sampling):
            return None
        return self.request(id_, prompt, seed, sampling, stop=stop, regex=regex)

    def label_request(
        self, id_: str, prompt: Sequence[int], labels: tuple[int, ...]
    ) -> Request | None:
        """Return a request for the probabilities of labels, or None if the prompt is too long."""
        if len(prompt) + 1 > self._model.max_model_length:
            return None
        return _scoring_request(id_, prompt, labels=labels)

    def continuation_request(
        self, id_: str, prompt: Sequence[int], continuation: Sequence[int]
    ) -> Request | None:
        """Return a request for the log-probability of a continuation.

        The result is None if one of the two has no tokens, or both are too long together.
        """
        tokens = len(prompt) + len(continuation)
        if not prompt or not continuation or tokens > self._model.max_model_length:
            return None
        return _scoring_request(id_, prompt, continuation=tuple(continuation))


def _scoring_request(
    id_: str,
    prompt: Sequence[int],
    *,
    labels: tuple[int, ...] = (),
    continuation: tuple[int, ...] = (),
) -> Request:
    """Return a request that generates nothing, so its sampling has no effect."""
    return Request(
        id=id_,
        prompt_token_ids=tuple(prompt),
        seed=0,
        temperature=0.0,
        top_p=1.0,
        max_tokens=1,
        labels=labels,
        continuation=continuation,
    )


def complete_prompts(
    context: StageContext[ClassifySettings | InstantiateSettings | RespondSettings],
    inference: Inference,
    part: int,
    prompts: Mapping[str, Prompt],
    *,
    logprob: bool = False,
) -> Generator[list[Request], list[Completion], tuple[dict[str, Completion], dict[str, float]]]:
    """Complete one prompt for each item of a part; `prompts` maps the item's id to its prompt.

    A prompt that leaves no room for its completion is skipped. The seed of a completion is derived
    from the item's id. With `logprob`, each completion has the log-probability of its tokens.

    Yields:
        One group of requests, and expects their completions.

    Returns:
        The completions by item id, and the sums of `token_statistics`.
    """
    settings = context.settings
    completions = yield [
        inference.request(
            f"{part}/{id_}",
            prompt.token_ids,
            item_seed(settings.random_seed, context.step.id, id_),
            settings.sampling,
            stop=prompt.stop,
            logprob=logprob,
        )
        for id_, prompt in prompts.items()
        if inference.fits(prompt.token_ids, settings.sampling)
    ]
    by_id = {completion.id.partition("/")[2]: completion for completion in completions}
    return by_id, token_statistics(completions)


def fill_own_parts(
    context: StageContext[StageSettings],
    items: int,
    inference: TextInference,
    program_of: Callable[[int], PartProgram],
    groups: int = 1,
) -> None:
    """Make the parts of this worker that are not stored yet; report progress in items.

    The program of a part yields at least `groups` groups of requests, and its items are done after
    the group with this number.
    """
    missing = MissingParts(context, items)
    if not missing.numbers:
        return
    engine = inference.engine()
    journal = None
    if engine.independent_requests:
        journal = Journal(context.completions(), missing.numbers, context.now)
    try:
        fill_parts(
            missing.numbers,
            program_of,
            missing.write,
            engine,
            stop=context.stop,
            meter=context.meter,
            journal=journal,
            groups=groups,
            on_open_items=missing.note_open_items,
        )
    except SourceUnreachableError:
        # An endpoint has failed. Each of its earlier answers may have cost money.
        if journal is not None:
            journal.save()
        raise
    finally:
        inference.release()


def item_count(context: StageContext[StageSettings]) -> int:
    """Return the number of items in the stage's output, which its order contains.

    Part i of the output is made from part i of the input. A worker can therefore make its own
    parts of a stage before other workers have completed the input.

    Raises `ContractError` if the order does not contain the number.
    """
    if context.step.items is None:
        raise ContractError(f"{context.step.id}: the order does not contain its number of items")
    return context.step.items


def commit_inference(
    context: StageContext[StageSettings],
    items: int,
    inference: TextInference,
    summarise: Callable[[Mapping[str, float]], Mapping[str, float]] = dict,
    examples: Mapping[str, Sequence[str]] | None = None,
) -> StageOutcome:
    """Commit an inference stage if all its parts are stored; see `commit_parts`."""

    def statistics(sums: Mapping[str, float]) -> Mapping[str, float]:
        return {**summarise(sums), "modelLoads": inference.model_loads}

    outcome = commit_parts(context, part_count(items), statistics, examples)
    if outcome.outcome is Outcome.COMMITTED:
        context.completions().delete_all()
    return outcome


def token_statistics(completions: Sequence[Completion]) -> dict[str, float]:
    """Return the sums over completions that every inference stage has in its statistics.

    For an endpoint, they also have the number of answers of each date, model and fingerprint.
    """
    return {
        **served_statistics(completions),
        "promptTokens": sum(c.prompt_tokens for c in completions),
        "cachedPromptTokens": sum(c.cached_prompt_tokens for c in completions),
        "tokens": sum(c.tokens for c in completions),
        "cutByLength": sum(c.finish_reason == "length" for c in completions),
    }

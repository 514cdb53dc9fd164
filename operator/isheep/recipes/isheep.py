"""I-SHEEP, Algorithm 1 of arXiv 2408.08072, as stages.

For t = 1…T: rounds of generate and curate until `count` instructions are accepted,
respond, assess, select, train, merge, report. M(t-1) writes and answers; the
assessor is M(t-1) or the base; training starts from the base (One_base, as the
paper adopted) or from M(t-1) (One_last), on D(t) or on all of D(1…t) (Total_base).
Direct is one iteration with a larger count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

from isheep.api.order import Prepared
from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes import rounds as sizing
from isheep.recipes import settings as s
from isheep.recipes.interface import (
    FINISHED,
    UNDECIDED,
    End,
    RecipeFailure,
    Stage,
    StageKind,
    Stages,
    Statistics,
)

_DATA_FIELDS = (
    "recipe",
    "iterations",
    "randomSeed",
    "language",
    "model",
    "seedTasks",
    "promptsRef",
    "engine",
    "instructions",
    "curation",
    "responses",
    "assessment",
    "selection",
    "training",
)
"""The fields of the spec that some stage's data depends on; compute, storage, suspend and
deadlines are not among them."""

_NO_DATA = {
    "model": ("secretRef",),
    "training": ("numNodes",),
}
"""Members of these that change no output."""

_NO_DATA_VLLM = ("tensorParallelSize", "gpuMemoryUtilization", "enforceEager", "maxNumSeqs")


class ISheep:
    """The recipe `ISheep`."""

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run as far as the results decide them."""
        yield Stage(
            "prepare",
            StageKind.PREPARE,
            iteration=0,
            settings=s.PrepareSettings(spec=data_fields(spec)),
        )
        if prepared is None:
            return UNDECIDED
        builder = _Builder(spec, prepared)
        for t in range(1, spec.iterations + 1):
            end = yield from builder.iteration(t)
            if end is not None:
                return end
        return FINISHED


def data_fields(spec: SelfAlignmentRunSpec) -> dict[str, Any]:
    """Return the part of the spec on which some stage's data depends, as JSON values."""
    document = spec.document()
    fields = {name: document[name] for name in _DATA_FIELDS if name in document}
    for name, members in _NO_DATA.items():
        fields[name] = {k: v for k, v in fields[name].items() if k not in members}
    vllm = {k: v for k, v in fields["engine"]["vllm"].items() if k not in _NO_DATA_VLLM}
    fields["engine"] = {**fields["engine"], "vllm": vllm}
    return fields


class _Builder:
    """Builds one iteration after another, remembering what later ones refer to."""

    def __init__(self, spec: SelfAlignmentRunSpec, prepared: Prepared) -> None:
        self._spec = spec
        self._prepared = prepared
        self._last_curates: list[str] = []
        self._selects: list[str] = []

    def iteration(self, t: int) -> Generator[Stage, Statistics | None, End | None]:
        """Yield the stages of iteration t; returns None when the next one may follow."""
        accepted = yield from self._rounds(t)
        if isinstance(accepted, End):
            return accepted
        yield self._respond(t, accepted)
        if self._scores_wanted:
            yield self._assess(t, accepted)
        selected = yield self._select(t)
        if selected is None:
            return UNDECIDED
        if (failure := self._too_few(t, selected)) is not None:
            return End(complete=False, failure=failure)
        self._selects.append(f"i{t}/select")
        yield self._train(t)
        if self._merged:
            yield self._merge(t)
        yield self._report(t)
        return None

    @property
    def _scores_wanted(self) -> bool:
        return self._spec.selection.method == "SelfAssessment"

    @property
    def _merged(self) -> bool:
        return self._spec.training.handover == "Merged"

    def _rounds(self, t: int) -> Generator[Stage, Statistics | None, int | End]:
        """Yield the rounds' stages; returns the number accepted when they are done."""
        count = self._spec.instructions.count
        rounds: list[sizing.Round] = []
        results: list[Statistics] = []
        previous: str | None = None
        while (completions := sizing.next_round(count, rounds)) is not None:
            if (failure := self._keep_rate_too_low(t, rounds, results)) is not None:
                return End(complete=False, failure=failure)
            number = len(rounds) + 1
            yield self._generate(t, number, completions)
            result = yield self._curate(t, number, previous)
            if result is None:
                return UNDECIDED
            previous = f"i{t}/curate/r{number}"
            rounds.append(sizing.Round(completions, int(result["accepted"])))
            results.append(result)
        self._last_curates.append(str(previous))
        return rounds[-1].accepted

    def _keep_rate_too_low(
        self, t: int, rounds: Sequence[sizing.Round], results: Sequence[Statistics]
    ) -> RecipeFailure | None:
        spec = self._spec.instructions
        decided = len(rounds) >= min(sizing.ROUNDS_BEFORE_VERDICT, spec.max_rounds)
        if not decided or sizing.projected_rounds(spec.count, rounds) <= spec.max_rounds:
            return None
        completions = sum(r.completions for r in rounds)
        return RecipeFailure(
            "KeepRateTooLow",
            f"iteration {t}: {rounds[-1].accepted} of {spec.count} instructions accepted from "
            f"{completions} completions in {len(rounds)} rounds; at this rate it takes more than "
            f"instructions.maxRounds = {spec.max_rounds}. Dropped, by rule: {_drops(*results)}. "
            "Loosen curation, raise instructions.maxRounds or lower instructions.count",
        )

    def _too_few(self, t: int, select: Statistics) -> RecipeFailure | None:
        kept, wanted = int(select["kept"]), self._spec.selection.min_samples
        if kept >= max(wanted, 1):
            return None
        return RecipeFailure(
            "TooFewSamples",
            f"iteration {t}: {kept} pairs were kept, selection.minSamples is {wanted}. Not kept, "
            f"by reason: {_drops(select)}. Lower selection.threshold or selection.minSamples, or "
            "raise instructions.count",
        )

    def _model(self, model: str) -> s.ModelSettings:
        prepared = self._prepared
        return s.ModelSettings(
            base_model=prepared.model_digest,
            engine=prepared.engine,
            dtype=prepared.dtype,
            max_model_length=prepared.max_model_length,
            handover=self._spec.training.handover if model else None,
            chat_format=prepared.chat_format.digest,
        )

    def _model_of(self, t: int) -> str:
        """Return the id of the stage that leaves M(t), merged or as an adapter; "" for M(0)."""
        if t == 0:
            return ""
        return f"i{t}/merge" if self._merged else f"i{t}/train"

    def _with_model(self, model: str, **inputs: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        return {**inputs, "model": (model,)} if model else dict(inputs)

    def _generate(self, t: int, number: int, completions: int) -> Stage:
        spec = self._spec.instructions
        model = self._model_of(t - 1)
        return Stage(
            f"i{t}/generate/r{number}",
            StageKind.GENERATE,
            t,
            s.GenerateSettings(
                model=self._model(model),
                random_seed=self._spec.random_seed,
                completions=completions,
                examples_per_prompt=spec.examples_per_prompt,
                sampling=_sampling(spec.sampling),
                language=self._spec.language,
                seed_tasks=self._prepared.seed_tasks_digest,
                templates=self._prepared.templates_digest,
            ),
            round=number,
            inputs=self._with_model(model),
            items=completions,
            model=model,
        )

    def _curate(self, t: int, number: int, previous: str | None) -> Stage:
        spec = self._spec
        curation = spec.curation
        inputs: dict[str, tuple[str, ...]] = {"completions": (f"i{t}/generate/r{number}",)}
        if previous is not None:
            inputs["accepted"] = (previous,)
        if curation.deduplication.pool == "Run" and self._last_curates:
            inputs["pool"] = tuple(self._last_curates)
        decontamination = None
        if self._prepared.benchmarks:
            decontamination = s.DecontaminationSettings(
                ngram=curation.decontamination.ngram, benchmarks=self._prepared.benchmarks
            )
        return Stage(
            f"i{t}/curate/r{number}",
            StageKind.CURATE,
            t,
            s.CurateSettings(
                count=spec.instructions.count,
                examples_per_prompt=spec.instructions.examples_per_prompt,
                language=spec.language,
                rules=curation.rules,
                drop_last=curation.drop_last,
                deduplication=s.DeduplicationSettings(
                    max_rouge_l=curation.deduplication.max_rouge_l,
                    pool=curation.deduplication.pool,
                ),
                decontamination=decontamination,
                seed_tasks=self._prepared.seed_tasks_digest,
            ),
            round=number,
            inputs=inputs,
        )

    def _respond(self, t: int, accepted: int) -> Stage:
        spec = self._spec.responses
        model = self._model_of(t - 1)
        return Stage(
            f"i{t}/respond",
            StageKind.RESPOND,
            t,
            s.RespondSettings(
                model=self._model(model),
                random_seed=self._spec.random_seed,
                prompt_format=_response_format(spec.prompt_format, t),
                sampling=_sampling(spec.sampling),
                templates=self._prepared.templates_digest,
            ),
            inputs=self._with_model(model, instructions=(self._last_curates[-1],)),
            items=accepted,
            model=model,
        )

    def _assess(self, t: int, accepted: int) -> Stage:
        spec = self._spec.assessment
        model = self._model_of(t - 1) if spec.assessor == "Previous" else ""
        return Stage(
            f"i{t}/assess",
            StageKind.ASSESS,
            t,
            s.AssessSettings(
                model=self._model(model),
                random_seed=self._spec.random_seed,
                levels=tuple(spec.levels),
                rubric=spec.rubric,
                scoring=spec.scoring,
                decoding=spec.decoding,
                prompt_format=_assessor_format(spec.prompt_format, model),
                sampling=_sampling(spec.sampling),
                language=self._spec.language,
                rules=self._spec.curation.rules,
                templates=self._prepared.templates_digest,
            ),
            inputs=self._with_model(model, pairs=(f"i{t}/respond",)),
            items=accepted,
            model=model,
        )

    def _select(self, t: int) -> Stage:
        spec = self._spec.selection
        scores = self._scores_wanted
        inputs: dict[str, tuple[str, ...]] = {"pairs": (f"i{t}/respond",)}
        if scores:
            inputs["scores"] = (f"i{t}/assess",)
        return Stage(
            f"i{t}/select",
            StageKind.SELECT,
            t,
            s.SelectSettings(
                method=spec.method,
                random_seed=self._spec.random_seed,
                levels=tuple(self._spec.assessment.levels) if scores else (),
                threshold=spec.threshold if scores else None,
                size=spec.random.size if spec.random is not None else None,
                rules=None if scores else self._spec.curation.rules,
                language=None if scores else self._spec.language,
            ),
            inputs=inputs,
        )

    def _train(self, t: int) -> Stage:
        spec = self._spec.training
        data = self._selects if spec.data == "All" else self._selects[-1:]
        start = self._model_of(t - 1) if spec.start_from == "Previous" else ""
        return Stage(
            f"i{t}/train",
            StageKind.TRAIN,
            t,
            s.TrainSettings(
                base_model=self._prepared.model_digest,
                chat_format=self._prepared.chat_format.digest,
                dtype=self._prepared.dtype,
                random_seed=self._spec.random_seed,
                prompt_format=_response_format(self._spec.responses.prompt_format, t + 1),
                templates=self._prepared.templates_digest,
                max_samples=spec.max_samples,
                validation_share=spec.validation_share,
                effective_batch_size=spec.effective_batch_size,
                num_train_epochs=spec.num_train_epochs,
                learning_rate=spec.learning_rate,
                warmup_steps=spec.warmup_steps,
                max_length=spec.max_length,
                lora=s.LoraSettings(
                    r=spec.lora.r,
                    alpha=spec.lora.alpha,
                    dropout=spec.lora.dropout,
                    target_modules=spec.lora.target_modules,
                ),
            ),
            inputs=self._with_model(start, data=tuple(data)),
            model=start,
        )

    def _merge(self, t: int) -> Stage:
        start = self._model_of(t - 1) if self._spec.training.start_from == "Previous" else ""
        return Stage(
            f"i{t}/merge",
            StageKind.MERGE,
            t,
            s.MergeSettings(
                base_model=self._prepared.model_digest,
                dtype=self._prepared.dtype,
                chat_format=self._prepared.chat_format.digest,
            ),
            inputs=self._with_model(start, adapter=(f"i{t}/train",)),
        )

    def _report(self, t: int) -> Stage:
        ids = [stage for iteration in range(1, t + 1) for stage in self._reported(iteration)]
        return Stage(
            f"i{t}/report",
            StageKind.REPORT,
            t,
            s.ReportSettings(
                recipe=self._spec.recipe,
                iterations=self._spec.iterations,
                spec=data_fields(self._spec),
            ),
            inputs={stage: (stage,) for stage in ids},
        )

    def _reported(self, t: int) -> list[str]:
        """Return the ids of the stages of iteration t whose manifests the report shows."""
        rounds = int(self._last_curates[t - 1].rpartition("/r")[2])
        kinds = ["respond", "assess", "select", "train", "merge"]
        left_out = {"assess": not self._scores_wanted, "merge": not self._merged}
        return [
            *(f"i{t}/{kind}/r{n}" for n in range(1, rounds + 1) for kind in ("generate", "curate")),
            *(f"i{t}/{kind}" for kind in kinds if not left_out.get(kind)),
        ]


def _sampling(spec: object) -> s.Sampling:
    return s.Sampling.model_validate(spec, from_attributes=True)


def _response_format(wanted: str, t: int) -> s.PromptFormat:
    """Return how M(t-1) is asked in iteration t; training for t asks for t + 1's."""
    if wanted == "RawThenChat":
        return "Raw" if t == 1 else "Chat"
    return "Raw" if wanted == "Raw" else "Chat"


def _assessor_format(wanted: str, model: str) -> s.PromptFormat:
    if wanted == "Auto":
        return "Chat" if model else "Raw"
    return "Raw" if wanted == "Raw" else "Chat"


def _drops(*statistics: Statistics) -> str:
    counts: Counter[str] = Counter()
    for name, count in (item for one in statistics for item in one.items()):
        if name.startswith("drop:"):
            counts[name.removeprefix("drop:")] += int(count)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered) or "none counted"

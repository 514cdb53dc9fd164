"""I-SHEEP, Algorithm 1 of arXiv 2408.08072, as stages.

For t = 1…T: rounds of generate and curate until `count` instructions are accepted,
respond, assess, select, train, merge, report. M(t-1) writes and answers; the
assessor is M(t-1) or the base; training starts from the base (One_base, as the
paper adopted) or from M(t-1) (One_last), on D(t) or on all of D(1…t) (Total_base).
Direct is one iteration with a larger count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from isheep.api.order import Prepared
from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes import rounds as sizing
from isheep.recipes import settings as s
from isheep.recipes.interface import (
    RecipeFailure,
    Stage,
    StageKind,
    Statistics,
    Unrolled,
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


class ISheep:
    """The recipe `ISheep`."""

    def unroll(
        self,
        spec: SelfAlignmentRunSpec,
        prepared: Prepared | None,
        results: Mapping[str, Statistics],
    ) -> Unrolled:
        """Return the stages of a run as far as the results decide them."""
        stages = [_prepare(spec)]
        if prepared is None:
            return Unrolled(tuple(stages), complete=False)
        builder = _Builder(spec, prepared, results)
        for iteration in range(1, spec.iterations + 1):
            for item in builder.iteration(iteration):
                if isinstance(item, RecipeFailure):
                    return Unrolled(tuple(stages), complete=False, failure=item)
                stages.append(item)
            if builder.undecided:
                return Unrolled(tuple(stages), complete=False)
        return Unrolled(tuple(stages), complete=True)


def _prepare(spec: SelfAlignmentRunSpec) -> Stage:
    fields = spec.document()
    settings = s.PrepareSettings(
        spec={name: fields[name] for name in _DATA_FIELDS if name in fields}
    )
    return Stage("prepare", StageKind.PREPARE, iteration=0, settings=settings)


class _Builder:
    """Builds one iteration after another; `undecided` once a result is missing."""

    def __init__(
        self, spec: SelfAlignmentRunSpec, prepared: Prepared, results: Mapping[str, Statistics]
    ) -> None:
        self._spec = spec
        self._prepared = prepared
        self._results = results
        self._last_curates: list[str] = []
        self._selects: list[str] = []
        self.undecided = False

    def iteration(self, t: int) -> Iterator[Stage | RecipeFailure]:
        """Yield the stages of iteration t, up to the first whose result is missing."""
        accepted: int | None = None
        for item in self._rounds(t):
            if isinstance(item, int):
                accepted = item
            else:
                yield item
        if accepted is None:
            self.undecided = True
            return
        yield self._respond(t, accepted)
        pairs = f"i{t}/respond"
        scores = None
        if self._scores_wanted:
            yield self._assess(t, accepted)
            scores = f"i{t}/assess"
        yield self._select(t, pairs, scores)
        self._selects.append(f"i{t}/select")
        kept = self._results.get(f"i{t}/select")
        if kept is None:
            self.undecided = True
            return
        if (failure := self._too_few(t, kept)) is not None:
            yield failure
            return
        yield self._train(t)
        yield self._merge(t)
        yield self._report(t)

    @property
    def _scores_wanted(self) -> bool:
        return self._spec.selection.method == "SelfAssessment"

    def _rounds(self, t: int) -> Iterator[Stage | RecipeFailure | int]:
        """Yield the rounds' stages and, when they are done, the number accepted."""
        spec = self._spec.instructions
        history: list[sizing.Round] = []
        previous: str | None = None
        while True:
            completions = sizing.next_round(spec.count, history)
            if completions is None:
                self._last_curates.append(str(previous))
                yield history[-1].accepted
                return
            if (failure := self._keep_rate_too_low(t, history)) is not None:
                yield failure
                return
            number = len(history) + 1
            yield self._generate(t, number, completions)
            yield self._curate(t, number, previous)
            previous = f"i{t}/curate/r{number}"
            result = self._results.get(previous)
            if result is None:
                return
            history.append(sizing.Round(completions, int(result["accepted"])))

    def _keep_rate_too_low(self, t: int, history: list[sizing.Round]) -> RecipeFailure | None:
        spec = self._spec.instructions
        decided = len(history) >= sizing.ROUNDS_BEFORE_VERDICT
        if not history or (not decided and len(history) < spec.max_rounds):
            return None
        projected = sizing.projected_rounds(spec.count, history)
        if projected <= spec.max_rounds:
            return None
        completions = sum(r.completions for r in history)
        curates = [self._results[f"i{t}/curate/r{n + 1}"] for n in range(len(history))]
        return RecipeFailure(
            "KeepRateTooLow",
            f"iteration {t}: {history[-1].accepted} of {spec.count} instructions accepted from "
            f"{completions} completions in {len(history)} rounds; at this rate it takes more than "
            f"instructions.maxRounds = {spec.max_rounds}. Dropped, by rule: {_drops(*curates)}. "
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
        """Return the id of the stage that makes M(t); "" for M(0)."""
        return f"i{t}/merge" if t > 0 else ""

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

    def _select(self, t: int, pairs: str, scores: str | None) -> Stage:
        spec = self._spec.selection
        inputs: dict[str, tuple[str, ...]] = {"pairs": (pairs,)}
        if scores is not None:
            inputs["scores"] = (scores,)
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
                seed_tasks=self._prepared.seed_tasks_digest,
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
        inputs: dict[str, tuple[str, ...]] = {}
        for iteration in range(1, t + 1):
            prefix = f"i{iteration}/"
            for role in ("respond", "assess", "select", "train", "merge"):
                if role == "assess" and not self._scores_wanted:
                    continue
                inputs[f"{prefix}{role}"] = (f"{prefix}{role}",)
            last = self._last_curates[iteration - 1]
            count = int(last.rpartition("/r")[2])
            for number in range(1, count + 1):
                for kind in ("generate", "curate"):
                    stage = f"{prefix}{kind}/r{number}"
                    inputs[stage] = (stage,)
        fields = self._spec.document()
        return Stage(
            f"i{t}/report",
            StageKind.REPORT,
            t,
            s.ReportSettings(
                recipe=self._spec.recipe,
                iterations=self._spec.iterations,
                spec={name: fields[name] for name in _DATA_FIELDS if name in fields},
            ),
            inputs=inputs,
        )


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

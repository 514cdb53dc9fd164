"""select: D(t) is chosen among the pairs (§3.2, Table 3)."""

from __future__ import annotations

from isheep.recipes import settings as s
from isheep.recipes.builders.context import Inputs, RunContext, kept_if_cut, kept_thoughts
from isheep.recipes.builders.curate import EVALUATED_TEXTS
from isheep.recipes.interface import Stage
from isheep.recipes.selection_methods import judging_method, selection_method
from isheep.recipes.stage_kinds import StageKind


def select(run: RunContext, t: int, pairs: str) -> Stage:
    """Return the stage that chooses among the pairs in the output of the stage `pairs`."""
    random, judging = run.spec.selection.random, judging_method(run.spec)
    inputs: Inputs = {"pairs": (pairs,)}
    if judging.scores:
        inputs["scores"] = (f"i{t}/assess",)
    if judging.losses:
        inputs["measures"] = (f"i{t}/measure",)
    # assess and measure apply the rules for pairs; without them, select does.
    applies_rules = not (judging.scores or judging.losses)
    return Stage(
        f"i{t}/select",
        StageKind.SELECT,
        t,
        s.SelectSettings(
            method=selection_method(run.spec),
            random_seed=run.spec.random_seed,
            size=random.size if random is not None else None,
            size_of=random.size_of if random is not None else None,
            rules=run.spec.curation.rules if applies_rules else None,
            language=run.spec.language if applies_rules else None,
            cut=kept_if_cut(run.spec) if applies_rules else None,
            thinking=kept_thoughts(run.spec) if applies_rules else None,
            decontamination=_forbidden_texts(run),
            **judging.settings(run.spec),
        ),
        inputs=inputs,
    )


def _forbidden_texts(run: RunContext) -> s.DecontaminationSettings | None:
    """Return the texts that responses must not share words with; None if they may."""
    evaluation, texts = run.spec.evaluation, run.prepared.evaluation_texts
    if evaluation is None or evaluation.contaminated_responses != "Drop" or texts is None:
        return None
    ngram = run.spec.curation.decontamination.ngram
    return s.DecontaminationSettings(ngram=ngram, benchmarks={EVALUATED_TEXTS: texts})

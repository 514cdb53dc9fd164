"""assess: the assessor scores each pair at each level (§3.2).

The pair rules run first, because a pair that they drop needs no score. The package `scoring/` has
the scoring methods. If `assessment.compare` is set, the first pairs are also scored with the other
method. Only the report uses these second scores, to compare both methods. The sampled answers of
the first `assessment.explanations` pairs contain an explanation, which only the report uses too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from isheep.contract.choices import EXPLANATIONS, Level
from isheep.recipes.interface import PART_ITEMS
from isheep.recipes.settings import AssessSettings
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.endpoint_inference import assessor
from isheep_worker.execution.inference import (
    TextInference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.execution.parts import FilledPart, PartProgram
from isheep_worker.rows.schema import PAIRS, SCORES, LevelScore, PairRow, ScoreRow
from isheep_worker.rules.interface import Pair, Rule
from isheep_worker.rules.response import judged, pair_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.scoring.interface import Scoring
from isheep_worker.scoring.registry import SCORING_METHODS, compared_with
from isheep_worker.scoring.statistics import part_statistics, stage_statistics
from isheep_worker.templates.longest_prompts import Known, LongestPrompt

Scores = dict[str, dict[str, LevelScore]]


def run(context: StageContext[AssessSettings]) -> StageOutcome:
    """Score this worker's parts, and commit the stage if all its parts exist."""
    settings = context.settings
    source = context.input_key("pairs")
    items = item_count(context)
    rules = rule_set(settings.rules, settings.language, settings.cut).pair_rules
    more = () if settings.score_templates is None else (settings.score_templates,)
    inference = assessor(context, settings.templates, *more)
    plan = _plan(settings, inference, context.step.id)

    def program(part: int) -> PartProgram:
        rows = [
            judged(PAIRS.decode(line), settings.thinking)
            for line in context.artifacts.read_part(source, part)
        ]
        return score_part(plan, rules, rows, part)

    groups = len(list(plan.scoring.rounds(plan.levels)))
    fill_own_parts(context, items, inference, program, groups)
    return commit_inference(context, items, inference, _summary(settings))


def longest_prompts(settings: AssessSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the longest prompts of each scoring method that the settings use."""
    used = {settings.scoring}
    if settings.compare is not None:
        used.add(compared_with(settings.scoring))
    for name, method in SCORING_METHODS.items():
        if name in used:
            yield from method.longest_prompts(settings, known)


@dataclass(frozen=True, slots=True)
class ScoringPlan:
    """The scoring of a stage: `scoring` for all pairs, `other` also for the first `compare` pairs.

    Pairs are scored at each of `levels`. The first `explanations` pairs get an explanation.
    """

    levels: Sequence[Level]
    scoring: Scoring
    other: Scoring | None = None
    compare: int = 0
    explanations: int = 0


def score_part(
    plan: ScoringPlan, rules: Sequence[Rule[Pair]], pairs: Sequence[PairRow], part: int
) -> PartProgram:
    """Return the program of a part, which yields its requests and returns its score rows.

    Args:
        plan: The scoring methods and levels, and the numbers of pairs that are scored with both
            methods or get an explanation.
        rules: The pair rules. A pair that a rule drops gets no score.
        pairs: The pairs of the part, in order.
        part: The number of the part.

    Returns:
        A generator for `execution.parts.fill_parts`. Its result has one `ScoreRow` for each pair.
    """
    drops = {pair.id: drop.rule for pair in pairs if (drop := pair_drop(rules, pair))}
    candidates = [pair for pair in pairs if pair.id not in drops]
    asked = _Asked(plan.levels, part, _first_ids(pairs, part, plan.explanations))
    tokens: Counter[str] = Counter()
    scores = yield from _score(plan.scoring, asked, candidates, tokens)
    compared: Scores = {}
    if plan.other is not None:
        first = _first_ids(pairs, part, plan.compare)
        both = [pair for pair in candidates if pair.id in first]
        compared = yield from _score(plan.other, asked, both, tokens)
    rows = [
        ScoreRow(
            pair.id,
            drops.get(pair.id),
            scores.get(pair.id, {}),
            compared.get(pair.id, {}),
            plan.scoring.order(pair) if pair.id in scores else None,
        )
        for pair in pairs
    ]
    # The scoring cuts each answer at the end of its line, so this count has no meaning.
    del tokens["cutByLength"]
    return FilledPart(
        [SCORES.encode(row) for row in rows], {**part_statistics(rows, plan.levels), **tokens}
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about the pairs of a part; `explained` are the ids that get an explanation."""

    levels: Sequence[Level]
    part: int
    explained: frozenset[str]


def _first_ids(pairs: Sequence[PairRow], part: int, count: int) -> frozenset[str]:
    """Return the ids of the pairs of a part that are among the first `count` pairs of the stage."""
    return frozenset(pair.id for pair in pairs[: max(count - part * PART_ITEMS, 0)])


def _score(
    scoring: Scoring, asked: _Asked, candidates: Sequence[PairRow], tokens: Counter[str]
) -> Generator[list[Request], list[Completion], Scores]:
    """Request the scores of pairs, and add the tokens of the requests to `tokens`."""
    part = asked.part
    scores: Scores = {pair.id: {} for pair in candidates}
    for round_levels in scoring.rounds(asked.levels):
        requests = [
            request
            for pair in candidates
            for level in round_levels
            if (
                request := scoring.request(
                    f"{part}/{level}/{pair.id}", pair, level, explained=pair.id in asked.explained
                )
            )
        ]
        completions = yield requests
        tokens.update(token_statistics(completions))
        answers = {completion.id: completion for completion in completions}
        for pair in candidates:
            for level in round_levels:
                scores[pair.id][level] = scoring.read(answers.get(f"{part}/{level}/{pair.id}"))
        # A pair without a score at one level cannot be kept, so later rounds skip it.
        candidates = [pair for pair in candidates if _has_all(scores[pair.id])]
    return scores


def _has_all(scores: Mapping[str, LevelScore]) -> bool:
    return all(score.score is not None for score in scores.values())


def _plan(settings: AssessSettings, inference: TextInference, stage_id: str) -> ScoringPlan:
    scoring = SCORING_METHODS[settings.scoring].create(settings, inference, stage_id)
    other = None
    if settings.compare is not None:
        method = SCORING_METHODS[compared_with(settings.scoring)]
        other = method.create(settings, inference, stage_id)
    explanations = EXPLANATIONS if settings.explanations is None else settings.explanations
    return ScoringPlan(settings.levels, scoring, other, settings.compare or 0, explanations)


def _summary(settings: AssessSettings) -> Callable[[Mapping[str, float]], Mapping[str, float]]:
    """Return the function that makes the stage's statistics from the sums over its parts.

    The function raises the error of the scoring method's check if the scores have no meaning.
    """

    def summarise(sums: Mapping[str, float]) -> Mapping[str, float]:
        statistics = stage_statistics(sums)
        check = SCORING_METHODS[settings.scoring].check
        if check is not None:
            check(settings, statistics)
        return statistics

    return summarise

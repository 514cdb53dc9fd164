"""assess: the assessor scores each pair, level by level (§3.2).

The pair rules come first: what they drop is not worth a prompt. How a level is scored
stands in `scoring/`. Where the run asks for it, its first pairs are scored the other way,
too: the report compares both, and nothing else looks at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from isheep.recipes.interface import PART_ITEMS
from isheep.recipes.settings import AssessSettings, Level
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import (
    Inference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.execution.parts import FilledPart, PartProgram
from isheep_worker.rows.schema import PAIRS, SCORES, LevelScore, PairRow, ScoreRow
from isheep_worker.rules.interface import Pair, Rule
from isheep_worker.rules.response import pair_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.scoring.expected import ExpectedScoring, check_mass, longest_label_prompts
from isheep_worker.scoring.interface import Scoring
from isheep_worker.scoring.resolution import pinned_labels
from isheep_worker.scoring.sampled import SampledScoring, longest_sampled_prompts
from isheep_worker.scoring.statistics import part_statistics, stage_statistics
from isheep_worker.templates.labels import label_set
from isheep_worker.templates.longest_prompts import Known, LongestPrompt

Scores = dict[str, dict[str, LevelScore]]


def run(context: StageContext[AssessSettings]) -> StageOutcome:
    """Score this worker's parts; commit if all parts are there."""
    settings = context.settings
    source = context.input_key("pairs")
    items = item_count(context)
    rules = rule_set(settings.rules, settings.language).pair_rules
    more = () if settings.score_templates is None else (settings.score_templates,)
    inference = Inference(context, settings.model, settings.templates, *more)
    judge = _judge(settings, inference, context.step.id)

    def program(part: int) -> PartProgram:
        rows = [PAIRS.decode(line) for line in context.artifacts.read_part(source, part)]
        return judge_part(judge, rules, rows, part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference, _summary(settings))


def longest_prompts(settings: AssessSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the prompts of each way in which pairs are scored."""
    both = settings.compare is not None
    if both or settings.scoring == "Sampled":
        yield from longest_sampled_prompts(settings, known)
    if both or settings.scoring == "Expected":
        yield from longest_label_prompts(settings, known)


@dataclass(frozen=True, slots=True)
class Judge:
    """How pairs are scored: each at `levels`, and the stage's first `compare` pairs both ways."""

    levels: Sequence[Level]
    scoring: Scoring
    other: Scoring | None = None
    compare: int = 0


def judge_part(
    judge: Judge, rules: Sequence[Rule[Pair]], pairs: Sequence[PairRow], part: int
) -> PartProgram:
    """Return the program of a part: what it asks of the engine, and the rows that it leaves."""
    drops = {pair.id: drop.rule for pair in pairs if (drop := pair_drop(rules, pair))}
    candidates = [pair for pair in pairs if pair.id not in drops]
    tokens: Counter[str] = Counter()
    scores = yield from _score(judge.scoring, judge.levels, candidates, part, tokens)
    compared: Scores = {}
    if judge.other is not None:
        first = {pair.id for pair in pairs[: max(judge.compare - part * PART_ITEMS, 0)]}
        both = [pair for pair in candidates if pair.id in first]
        compared = yield from _score(judge.other, judge.levels, both, part, tokens)
    rows = [
        ScoreRow(
            pair.id,
            drops.get(pair.id),
            scores.get(pair.id, {}),
            compared.get(pair.id, {}),
            judge.scoring.order(pair) if pair.id in scores else None,
        )
        for pair in pairs
    ]
    del tokens["cutByLength"]  # an answer is cut at the end of its line; how long it is is no news
    return FilledPart(
        [SCORES.encode(row) for row in rows], {**part_statistics(rows, judge.levels), **tokens}
    )


def _score(
    scoring: Scoring,
    levels: Sequence[Level],
    candidates: Sequence[PairRow],
    part: int,
    tokens: Counter[str],
) -> Generator[list[Request], list[Completion], Scores]:
    """Ask for the scores of pairs, and count the tokens that it took."""
    scores: Scores = {pair.id: {} for pair in candidates}
    for asked in scoring.rounds(levels):
        requests = [
            request
            for pair in candidates
            for level in asked
            if (request := scoring.request(f"{part}/{level}/{pair.id}", pair, level))
        ]
        completions = yield requests
        tokens.update(token_statistics(completions))
        answers = {completion.id: completion for completion in completions}
        for pair in candidates:
            for level in asked:
                scores[pair.id][level] = scoring.read(answers.get(f"{part}/{level}/{pair.id}"))
        candidates = [pair for pair in candidates if _has_all(scores[pair.id])]
    return scores


def _has_all(scores: Mapping[str, LevelScore]) -> bool:
    return all(score.score is not None for score in scores.values())


def _judge(settings: AssessSettings, inference: Inference, stage_id: str) -> Judge:
    ways: dict[str, Callable[[], Scoring]] = {
        "Sampled": lambda: SampledScoring(settings, inference, stage_id),
        "Expected": lambda: ExpectedScoring(settings, inference, stage_id),
    }
    (other,) = ways.keys() - {settings.scoring}
    return Judge(
        settings.levels,
        ways[settings.scoring](),
        None if settings.compare is None else ways[other](),
        settings.compare or 0,
    )


def _summary(settings: AssessSettings) -> Callable[[Mapping[str, float]], Mapping[str, float]]:
    """Return what makes the stage's statistics; it raises where expected scores mean nothing."""

    def summarise(sums: Mapping[str, float]) -> Mapping[str, float]:
        statistics = stage_statistics(sums)
        if settings.scoring == "Expected":
            check_mass(statistics.get("meanMass"), label_set(pinned_labels(settings).kind))
        return statistics

    return summarise

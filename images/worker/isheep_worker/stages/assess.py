"""assess: the assessor scores each pair, level by level (§3.2).

The pair rules come first: what they drop is not worth a prompt. Levels are asked in
their order, and a level only of those pairs whose earlier ones have a score. A score is
never asked for twice: an answer that cannot be read is a reason to drop the pair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from isheep.recipes.settings import AssessSettings, Level
from isheep_worker.context import StageContext, StageOutcome
from isheep_worker.engines.interface import Completion
from isheep_worker.rows import PAIRS, SCORES, LevelScore, PairRow, ScoreRow
from isheep_worker.rules.interface import Pair, Rule, first_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.seeds import item_seed
from isheep_worker.stages.inference import (
    Inference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.stages.parts import FilledPart, PartProgram
from isheep_worker.templates.rubric import ANSWER_STOP, CONSTRAINED_ANSWER, assessment_prompt
from isheep_worker.templates.score import parse_score

TOO_LONG = LevelScore(None, "unparseable:too-long")


def run(context: StageContext[AssessSettings]) -> StageOutcome:
    """Score this worker's parts; commit if all parts are there."""
    settings = context.settings
    source = context.input_key("pairs")
    items = item_count(context)
    rules = rule_set(settings.rules, settings.language).pair_rules
    inference = Inference(context, settings.model, settings.templates)

    def program(part: int) -> PartProgram:
        rows = [PAIRS.decode(line) for line in context.artifacts.read_part(source, part)]
        return _part(context, inference, rules, rows, part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference, with_means)


def _part(
    context: StageContext[AssessSettings],
    inference: Inference,
    rules: Sequence[Rule[Pair]],
    pairs: list[PairRow],
    part: int,
) -> PartProgram:
    drops = {pair.id: drop.rule for pair in pairs if (drop := first_drop(rules, pair))}
    scores: dict[str, dict[str, LevelScore]] = {pair.id: {} for pair in pairs}
    candidates = [pair for pair in pairs if pair.id not in drops]
    tokens: Counter[str] = Counter()
    for level in context.settings.levels:
        prompts = {
            pair.id: _prompt(context.settings, inference, pair, level) for pair in candidates
        }
        completions = yield [
            inference.request(
                f"{part}/{level}/{id_}",
                prompt,
                item_seed(context.settings.random_seed, context.step.id, f"{id_}/{level}"),
                context.settings.sampling,
                stop=_stop(context.settings),
                regex=CONSTRAINED_ANSWER if context.settings.decoding == "Constrained" else None,
            )
            for id_, prompt in prompts.items()
            if inference.fits(prompt, context.settings.sampling)
        ]
        tokens.update(token_statistics(completions))
        answers = {completion.id.split("/", 2)[2]: completion for completion in completions}
        for pair in candidates:
            scores[pair.id][level] = _score(answers.get(pair.id))
        candidates = [pair for pair in candidates if scores[pair.id][level].score is not None]
    rows = [ScoreRow(pair.id, drops.get(pair.id), scores[pair.id]) for pair in pairs]
    del tokens["cutByLength"]  # an answer is cut at the end of its line; how long it is is no news
    return FilledPart(
        [SCORES.encode(row) for row in rows],
        {**_statistics(rows, context.settings.levels), **tokens},
    )


def _prompt(
    settings: AssessSettings, inference: Inference, pair: PairRow, level: Level
) -> list[int]:
    text = assessment_prompt(
        inference.library,
        settings.rubric,
        level,
        instruction=pair.instruction,
        input_text=pair.input,
        response=pair.response,
    )
    render = inference.renderer.raw if settings.prompt_format == "Raw" else inference.renderer.chat
    return render(text)


def _stop(settings: AssessSettings) -> tuple[str, ...]:
    """Return what ends an answer: its line's end, but a chat model may open with an empty line."""
    free_chat = settings.prompt_format == "Chat" and settings.decoding == "Free"
    return () if free_chat else (ANSWER_STOP,)


def _score(answer: Completion | None) -> LevelScore:
    if answer is None:
        return TOO_LONG
    parsed = parse_score(answer.text)
    if parsed.score is None:
        return LevelScore(None, f"unparseable:{parsed.trouble}", raw=answer.text)
    return LevelScore(float(parsed.score), raw=answer.text)


def _statistics(rows: Sequence[ScoreRow], levels: Sequence[Level]) -> dict[str, float]:
    """Return a part's counts, and its sums of scores as `sum:<Level>`."""
    counts: Counter[str] = Counter(pairs=len(rows), scored=0)
    for row in rows:
        if row.rule is not None:
            counts[f"drop:rule-{row.rule}"] += 1
            continue
        for level, score in row.levels.items():
            if score.score is None:
                kind = (score.reason or "").partition(":")[2]
                counts[f"drop:unparseable-{level}-{kind}"] += 1
            else:
                counts[f"score:{level}:{int(score.score)}"] += 1
                counts[f"sum:{level}"] += int(score.score)
        counts["scored"] += all(
            level in row.levels and row.levels[level].score is not None for level in levels
        )
    return dict(counts)


def with_means(sums: Mapping[str, float]) -> dict[str, float]:
    """Return the stage's statistics: each `sum:<Level>` becomes `mean:<Level>`."""
    statistics = {name: value for name, value in sums.items() if not name.startswith("sum:")}
    for name, total in sums.items():
        if name.startswith("sum:"):
            level = name.removeprefix("sum:")
            count = sum(v for n, v in sums.items() if n.startswith(f"score:{level}:"))
            statistics[f"mean:{level}"] = total / count
    return statistics

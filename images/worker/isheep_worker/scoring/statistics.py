"""What an assess stage tells of its scores: counts and sums of parts, means of the stage.

Parts are written by different workers, so a part's statistics are such that adding those
of all parts gives the stage's: counts, and sums under names that begin with `sum`. They
are metadata of the part's object, which has little room: what is not needed to commit,
such as distributions, the report reads from the rows (`report/scores.py`). By level:

- `score:<Level>:<n>`: pairs whose score is n, an expected one rounded; `mean:<Level>`;
- `distinctScores:<Level>`: how many of the ten there are. One alone tells pairs apart no
  better than no score, and the report says so;
- `mass:<Level>`: the labels' mean share of the probability, where scores are expected;
  `meanMass` over all levels.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from isheep.recipes.settings import Level
from isheep_worker.rows.schema import LevelScore, ScoreRow


def part_statistics(rows: Sequence[ScoreRow], levels: Sequence[Level]) -> dict[str, float]:
    """Return a part's counts and sums."""
    sums: defaultdict[str, float] = defaultdict(float, pairs=len(rows), scored=0)
    for row in rows:
        if row.rule is not None:
            sums[f"drop:rule-{row.rule}"] += 1
            continue
        for level, score in row.levels.items():
            _add(sums, level, score)
        sums["scored"] += all(
            level in row.levels and row.levels[level].score is not None for level in levels
        )
    return dict(sums)


def stage_statistics(sums: Mapping[str, float]) -> dict[str, float]:
    """Return a stage's statistics from the sums over its parts."""
    statistics = {name: value for name, value in sums.items() if not name.startswith("sum")}
    for level, total in _family(sums, "sum").items():
        counts = _family(sums, f"score:{level}")
        statistics[f"mean:{level}"] = total / sum(counts.values())
        statistics[f"distinctScores:{level}"] = sum(count > 0 for count in counts.values())
    prompts, masses = _family(sums, "sumLabelled"), _family(sums, "sumMass")
    for level, count in prompts.items():
        statistics[f"mass:{level}"] = masses[level] / count
    if prompts:
        statistics["meanMass"] = sum(masses.values()) / sum(prompts.values())
    return statistics


def score_bin(score: float) -> int:
    """Return the whole score, 1 to 10, under which a score is counted."""
    return math.floor(score + 0.5)


def _add(sums: defaultdict[str, float], level: str, score: LevelScore) -> None:
    if score.mass is not None:
        sums[f"sumLabelled:{level}"] += 1
        sums[f"sumMass:{level}"] += score.mass
    if score.score is None:
        failure, _, kind = (score.reason or "unparseable").partition(":")
        sums[f"drop:{failure}-{level}-{kind}"] += 1
        return
    sums[f"score:{level}:{score_bin(score.score)}"] += 1
    sums[f"sum:{level}"] += score.score


def _family(sums: Mapping[str, float], name: str) -> dict[str, float]:
    """Return the members of a family, by what stands behind its name and a colon."""
    prefix = f"{name}:"
    return {key.removeprefix(prefix): v for key, v in sums.items() if key.startswith(prefix)}

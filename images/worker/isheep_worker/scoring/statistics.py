"""The statistics of an assess stage: counts and sums of its parts, and means of the stage.

Different workers write the parts, so the statistics of a part are numbers that can be added:
counts, and sums under names that begin with `sum`. They are metadata of the part's object, which
has little room. The report reads everything else, such as distributions, from the rows
(`report/scores.py`). The statistics of each level are:

- `score:<Level>:<n>`: the number of pairs with the score n (an expected score is rounded);
- `mean:<Level>`: the mean score;
- `distinctScores:<Level>`: the number of different scores, 1 to 10. If it is 1, the scores do not
  distinguish the pairs, and the report contains a warning;
- `mass:<Level>`: the mean mass of the labels, for expected scores; `meanMass` is the mean over all
  levels.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from isheep.contract.choices import Level
from isheep.contract.rule_names import DROP
from isheep_worker.rows.schema import LevelScore, ScoreRow
from isheep_worker.rules.drop_reasons import score_failure


def part_statistics(rows: Sequence[ScoreRow], levels: Sequence[Level]) -> dict[str, float]:
    """Return the counts and sums of a part.

    Args:
        rows: The rows of the part.
        levels: The levels on which the stage scores pairs.

    Returns:
        Numbers by name; the numbers of several parts can be added.
    """
    sums: defaultdict[str, float] = defaultdict(float, pairs=len(rows), scored=0)
    for row in rows:
        if row.rule is not None:
            sums[DROP + row.rule] += 1
            continue
        for level, score in row.levels.items():
            _add(sums, level, score)
        sums["scored"] += all(
            level in row.levels and row.levels[level].score is not None for level in levels
        )
    return dict(sums)


def stage_statistics(sums: Mapping[str, float]) -> dict[str, float]:
    """Return the statistics of a stage.

    Args:
        sums: The sums of the statistics of all parts.

    Returns:
        The counts, with means in place of the sums.
    """
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
    """Return the whole number between 1 and 10 under which a score is counted."""
    return math.floor(score + 0.5)


def _add(sums: defaultdict[str, float], level: str, score: LevelScore) -> None:
    if score.mass is not None:
        sums[f"sumLabelled:{level}"] += 1
        sums[f"sumMass:{level}"] += score.mass
    if score.score is None:
        sums[DROP + score_failure(score.reason or "unparseable", level)] += 1
        return
    sums[f"score:{level}:{score_bin(score.score)}"] += 1
    sums[f"sum:{level}"] += score.score


def _family(sums: Mapping[str, float], name: str) -> dict[str, float]:
    """Return the members of a family, by the text after the family's name and a colon."""
    prefix = f"{name}:"
    return {key.removeprefix(prefix): v for key, v in sums.items() if key.startswith(prefix)}

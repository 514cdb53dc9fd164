"""Compares the speed of expected scores with the paper's sampled scores.

    python benchmarks/expected_scoring.py --model FOLDER [--pairs 60] [--rubric Combined]
        [--cpu-seconds]

The benchmark runs one assess stage in vLLM alternately with expected scores (one prefill a pair)
and with sampled scores (up to 256 tokens, ended by a line break, temperature 1). The engine is
loaded, and its prefix cache is empty. `assess_stage.py` describes what the time includes. The
stage has one level, so both ways use the same number of prompts: sampled scoring skips the second
level of a pair if the first answer has no score. The median round of each way counts. The
benchmark exits with 1 if the ratio is below 1.3 on a CPU or below 3 on a GPU.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from assess_stage import AssessBench, AssessResult, parser
from engine_recording import recorded_engine

GOAL_ON_CPU, GOAL_ON_GPU = 1.3, 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 1 if the goal is missed."""
    options = parser("Compare the speed of expected scores with that of sampled scores.")
    options.add_argument("--rounds", type=int, default=3, help="measurements of each way")
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, recorded_engine() as recording:
        bench = AssessBench(Path(folder), chosen, recording)
        try:
            bench.assess(scoring="Expected", levels=["Quality"])  # loads the engine and warms it up
            rounds = [
                (
                    bench.assess(scoring="Sampled", levels=["Quality"]),
                    bench.assess(scoring="Expected", levels=["Quality"]),
                )
                for _ in range(chosen.rounds)
            ]
        finally:
            bench.close()
    return _judge(*zip(*rounds, strict=True))


def _judge(sampled: Sequence[AssessResult], expected: Sequence[AssessResult]) -> int:
    import torch  # noqa: PLC0415 - heavy

    goal = GOAL_ON_GPU if torch.cuda.is_available() else GOAL_ON_CPU
    slow, fast = (median(round_.seconds for round_ in way) for way in (sampled, expected))
    for name, seconds, one in (("sampled", slow, sampled[0]), ("expected", fast, expected[0])):
        statistics = one.statistics
        print(
            f"{name} scores: {seconds:.2f} s for {len(one.requests)} prompts with "
            f"{statistics['promptTokens']:.0f} tokens ({statistics['cachedPromptTokens']:.0f} "
            f"cached); {statistics['tokens']:.0f} tokens generated, "
            f"{statistics['scored']:.0f} pairs scored"
        )
    ratio = slow / fast
    print(
        f"{'MISSED: ' if ratio < goal else ''}expected scores are {ratio:.2f} times as fast as "
        f"sampled ones (goal: at least {goal})"
    )
    return int(ratio < goal)


if __name__ == "__main__":
    sys.exit(main())

"""How much faster expected scores are than generate-and-parse, as the paper scores.

    python benchmarks/expected_scoring.py --model FOLDER [--pairs 60] [--rubric Combined]

One assess stage in vLLM, warm and with a cold prefix cache, with scores expected (one
prefill a pair) and sampled (up to 256 tokens, ended by a line break, T 1), by turns; what
is in the time stands in `assessing.py`. One level, so that both ways ask the same number
of prompts: sampled scoring does not ask the second level of a pair whose first answer
cannot be read. Of each way the median round counts. It ends with 1 where the ratio is
below 1.3 on a CPU or 3 on a GPU.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from assessing import Assessed, Bench, parser
from spying import spied_engine

GOAL_ON_CPU, GOAL_ON_GPU = 1.3, 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the goal is met."""
    options = parser("Compare expected scores with generate-and-parse.")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, spied_engine() as spy:
        bench = Bench(Path(folder), chosen, spy)
        try:
            bench.assess(scoring="Expected", levels=["Quality"])  # loads and warms the engine
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


def _judge(sampled: Sequence[Assessed], expected: Sequence[Assessed]) -> int:
    import torch  # noqa: PLC0415 - heavy

    goal = GOAL_ON_GPU if torch.cuda.is_available() else GOAL_ON_CPU
    slow, fast = (median(round_.seconds for round_ in way) for way in (sampled, expected))
    for name, seconds, one in (("sampled", slow, sampled[0]), ("expected", fast, expected[0])):
        statistics = one.statistics
        print(
            f"{name}: {seconds:.2f} s for {len(one.requests)} prompts of "
            f"{statistics['promptTokens']:.0f} tokens ({statistics['cachedPromptTokens']:.0f} "
            f"cached), {statistics['tokens']:.0f} generated, {statistics['scored']:.0f} scored"
        )
    ratio = slow / fast
    print(f"{'MISSED: ' if ratio < goal else ''}expected scores {ratio:.2f}x (goal {goal}x)")
    return int(ratio < goal)


if __name__ == "__main__":
    sys.exit(main())

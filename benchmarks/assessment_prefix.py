"""Measures the share of common prompt tokens that the engine's prefix cache provides.

    python benchmarks/assessment_prefix.py --model FOLDER [--pairs 60] [--rubric Combined]

The benchmark runs an assess stage of both levels in vLLM with an empty prefix cache, once with
expected and once with sampled scores. The shareable tokens of a prompt are its longest beginning
that an earlier prompt has too, in the order of the requests. Only whole blocks count, because an
engine caches nothing smaller, and the last token never counts, because its logits are needed. A
hit is a token that the engine reports as cached. The benchmark exits with 1 if less than 95 % of
the shareable tokens are hits.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from assess_stage import AssessBench, AssessResult, parser
from engine_recording import recorded_engine

GOAL = 0.95


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 1 if a goal is missed."""
    chosen = parser("Measure the hit rate of assessment prompts in the prefix cache.").parse_args(
        arguments
    )
    with tempfile.TemporaryDirectory() as folder, recorded_engine() as recording:
        bench = AssessBench(Path(folder), chosen, recording)
        try:
            found = {
                "expected": bench.assess(scoring="Expected"),
                "sampled": bench.assess(scoring="Sampled", sampling={"maxTokens": 16}),
            }
            block: int = recording.engine.vllm_config.cache_config.block_size
        finally:
            bench.close()
    missed = [_judge(name, assessed, block) for name, assessed in found.items()]
    return int(any(missed))


def _judge(name: str, assessed: AssessResult, block: int) -> bool:
    prompts = [request.prompt_token_ids for request in assessed.requests]
    shareable = shareable_tokens(prompts, block)
    hit = assessed.statistics["cachedPromptTokens"]
    missed = hit < GOAL * shareable
    print(
        f"{name} scores: {len(prompts)} prompts with {sum(map(len, prompts))} tokens; "
        f"{shareable} tokens are shareable in blocks of {block} "
        f"({shareable_tokens(prompts, 1)} without blocks), {hit:.0f} were cached\n"
        f"{'MISSED: ' if missed else ''}the cache provided {hit / shareable:.3f} of the shareable "
        f"tokens (goal: at least {GOAL})"
    )
    return missed


def shareable_tokens(prompts: Sequence[tuple[int, ...]], block: int) -> int:
    """Return the number of tokens that a prompt shares with an earlier one, in whole blocks."""
    seen: set[tuple[int, ...]] = set()
    total = 0
    for prompt in prompts:
        ends = range(block, len(prompt), block)
        total += block * sum(prompt[:end] in seen for end in ends)
        seen.update(prompt[:end] for end in (*ends, len(prompt)) if end % block == 0)
    return total


if __name__ == "__main__":
    sys.exit(main())

"""How much of what assessment prompts share is computed once.

    python benchmarks/assessment_prefix.py --model FOLDER [--pairs 60] [--rubric Combined]

An assess stage of both levels in vLLM, on a cold prefix cache, with scores sampled and
expected. Shareable is, of each prompt, its longest beginning that an earlier one has, in
the order of the requests; in whole blocks, because an engine keeps nothing smaller, and
without the prompt's last token, whose logits are wanted. Hit is what the engine reports as
cached. It ends with 1 where less than 95 % of the shareable tokens are hit.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from assessing import Assessed, Bench, parser
from spying import spied_engine

GOAL = 0.95


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the goal is met."""
    chosen = parser("Measure how far assessment prompts hit the prefix cache.").parse_args(
        arguments
    )
    with tempfile.TemporaryDirectory() as folder, spied_engine() as spy:
        bench = Bench(Path(folder), chosen, spy)
        try:
            found = {
                "expected": bench.assess(scoring="Expected"),
                "sampled": bench.assess(scoring="Sampled", sampling={"maxTokens": 16}),
            }
            block: int = spy.engine.vllm_config.cache_config.block_size
        finally:
            bench.close()
    missed = [_judge(name, assessed, block) for name, assessed in found.items()]
    return int(any(missed))


def _judge(name: str, assessed: Assessed, block: int) -> bool:
    prompts = [request.prompt_token_ids for request in assessed.requests]
    shareable = shareable_tokens(prompts, block)
    hit = assessed.statistics["cachedPromptTokens"]
    missed = hit < GOAL * shareable
    print(
        f"{name}: {len(prompts)} prompts of {sum(map(len, prompts))} tokens, {shareable} of them "
        f"shareable in blocks of {block} ({shareable_tokens(prompts, 1)} in single tokens), "
        f"{hit:.0f} hit\n{'MISSED: ' if missed else ''}{hit / shareable:.3f} of the shareable "
        f"prefix tokens hit (goal {GOAL})"
    )
    return missed


def shareable_tokens(prompts: Sequence[tuple[int, ...]], block: int) -> int:
    """Return how many tokens earlier prompts have computed, in whole blocks from the start."""
    seen: set[tuple[int, ...]] = set()
    total = 0
    for prompt in prompts:
        ends = range(block, len(prompt), block)
        total += block * sum(prompt[:end] in seen for end in ends)
        seen.update(prompt[:end] for end in (*ends, len(prompt)) if end % block == 0)
    return total


if __name__ == "__main__":
    sys.exit(main())

"""What the requests of a benchmark depend on; this module imports nothing of lm-eval."""

from __future__ import annotations

from dataclasses import dataclass

from isheep.contract.choices import PromptFormat
from isheep_worker.evaluation.drawing import Share


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """What a benchmark's requests depend on, besides its data and the model's tokenizer.

    `task` is the name of a task, a group or a tag of lm-eval. `num_fewshot` None is the task's own
    number. `limit` is the largest number of items of each of the `shares`. `random_seed` draws the
    examples of few-shot prompts, and the order of answers in tasks that shuffle them.
    """

    task: str
    prompt_format: PromptFormat = "Raw"
    num_fewshot: int | None = None
    shares: tuple[Share, ...] = (Share(),)
    limit: int | None = None
    random_seed: int = 0

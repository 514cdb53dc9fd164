"""Sampled scores, as in the paper (§3.2): an answer is generated, and its leading number read.

A level is asked only of pairs whose earlier ones have a score. A score is never asked for
twice: an answer that cannot be read is a reason to drop the pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from isheep.recipes.settings import AssessSettings, Level
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.inference import Inference
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import LevelScore, PairRow
from isheep_worker.scoring.prompts import JudgingTemplates
from isheep_worker.templates.longest_prompts import Known, LongestPrompt
from isheep_worker.templates.prompting import token_ids
from isheep_worker.templates.rubric import (
    ANSWER_STOP,
    CONSTRAINED_ANSWER,
    TEMPLATE_OF,
    assessment_prompt,
)
from isheep_worker.templates.score import parse_score

TOO_LONG = LevelScore(None, "unparseable:too-long")


class SampledScoring:
    """Scores as the assessor writes them."""

    def __init__(self, settings: AssessSettings, inference: Inference, stage_id: str) -> None:
        self._settings = settings
        self._inference = inference
        self._stage_id = stage_id
        self._templates = JudgingTemplates(
            inference.library, TEMPLATE_OF[settings.rubric], settings, stage_id
        )

    def rounds(self, levels: Sequence[Level]) -> Sequence[Sequence[Level]]:
        """Return the levels one by one."""
        return [(level,) for level in levels]

    def order(self, pair: PairRow) -> str | None:
        """Return the order of the worked examples for a pair; None where it is fixed."""
        return self._templates.order(pair)

    def request(self, id_: str, pair: PairRow, level: Level) -> Request | None:
        """Return the request for an answer; None where the prompt is too long for the model."""
        settings = self._settings
        prompt = self._prompt(pair, level)
        if not self._inference.fits(prompt, settings.sampling):
            return None
        return self._inference.request(
            id_,
            prompt,
            item_seed(settings.random_seed, self._stage_id, f"{pair.id}/{level}"),
            settings.sampling,
            stop=_stop(settings),
            regex=CONSTRAINED_ANSWER if settings.decoding == "Constrained" else None,
        )

    def read(self, completion: Completion | None) -> LevelScore:
        """Return the score of an answer."""
        if completion is None:
            return TOO_LONG
        parsed = parse_score(completion.text)
        if parsed.score is None:
            return LevelScore(None, f"unparseable:{parsed.trouble}", raw=completion.text)
        return LevelScore(float(parsed.score), raw=completion.text)

    def _prompt(self, pair: PairRow, level: Level) -> list[int]:
        text = assessment_prompt(
            self._templates.library(pair),
            self._settings.rubric,
            level,
            instruction=pair.instruction,
            input_text=pair.input,
            response=pair.response,
        )
        return token_ids(self._inference.renderer, self._settings.prompt_format, text)


def longest_sampled_prompts(settings: AssessSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield each level's prompt for a pair with the longest response."""
    for level in settings.levels:
        text = assessment_prompt(
            known.library,
            settings.rubric,
            level,
            instruction=known.task.instruction,
            input_text=known.task.input,
            response=known.task.output,
        )
        yield LongestPrompt(
            TEMPLATE_OF[settings.rubric],
            text,
            settings.sampling.max_tokens,
            field="assessment.sampling",
            generated=known.response,
        )


def _stop(settings: AssessSettings) -> tuple[str, ...]:
    """Return what ends an answer: its line's end, but a chat model may open with an empty line."""
    free_chat = settings.prompt_format == "Chat" and settings.decoding == "Free"
    return () if free_chat else (ANSWER_STOP,)

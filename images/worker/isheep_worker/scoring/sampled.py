"""Sampled scores, as in the paper (§3.2): the assessor writes an answer that starts with a number.

A pair gets a request for a level only if it has scores on the earlier levels. No score is requested
twice: if an answer cannot be parsed, the pair is dropped.

Most of an answer is its explanation, which no stage reads. A request therefore stops at the
separator between score and explanation. The tokens before a stop string do not depend on it, so the
score of a seed is the same with and without the explanation. The report shows some explanations;
these are generated (`assessment.explanations`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from isheep.contract.choices import Level
from isheep.recipes.settings import AssessSettings
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.endpoint_answers import endpoint_answer
from isheep_worker.execution.inference import TextInference
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import LevelScore, PairRow
from isheep_worker.scoring.prompts import ScoringTemplates
from isheep_worker.templates.longest_prompts import Known, LongestPrompt
from isheep_worker.templates.rubric import (
    ANSWER_STOP,
    CONSTRAINED_ANSWER,
    TEMPLATE_OF,
    assessment_prompt,
    separator_of,
)
from isheep_worker.templates.score import parse_score

TOO_LONG = LevelScore(None, "unparseable-too-long")


class SampledScoring:
    """Reads scores from the assessor's answers."""

    def __init__(self, settings: AssessSettings, inference: TextInference, stage_id: str) -> None:
        self._settings = settings
        self._inference = inference
        self._stage_id = stage_id
        self._separator = separator_of(inference.library, settings.rubric, settings.decoding)
        self._templates = ScoringTemplates(
            inference.library, TEMPLATE_OF[settings.rubric], settings, stage_id
        )

    def rounds(self, levels: Sequence[Level]) -> Sequence[Sequence[Level]]:
        """Return each level as one group."""
        return [(level,) for level in levels]

    def order(self, pair: PairRow) -> str | None:
        """Return the order of the worked examples for a pair, or None if the order is fixed."""
        return self._templates.order(pair)

    def request(self, id_: str, pair: PairRow, level: Level, *, explained: bool) -> Request | None:
        """Return the request for a pair on a level, or None if the prompt is too long."""
        settings = self._settings
        return self._inference.text_request(
            id_,
            self._text(pair, level),
            settings.prompt_format,
            item_seed(settings.random_seed, self._stage_id, f"{pair.id}/{level}"),
            settings.sampling,
            stop=_stop(settings, None if explained else self._separator),
            regex=CONSTRAINED_ANSWER if settings.decoding == "Constrained" else None,
        )

    def read(self, completion: Completion | None) -> LevelScore:
        """Return the score of a completion, or the reason why there is none."""
        if completion is None:
            return TOO_LONG
        parsed = parse_score(
            completion.text,
            self._settings.parsing or "Tolerant",
            separator=self._separator,
            complete=completion.finish_reason != "length",
        )
        answer = endpoint_answer(completion)
        if parsed.score is None:
            reason = f"unparseable-{parsed.failure}"
            return LevelScore(None, reason, raw=completion.text, answer=answer)
        return LevelScore(float(parsed.score), raw=completion.text, answer=answer)

    def _text(self, pair: PairRow, level: Level) -> str:
        return assessment_prompt(
            self._templates.library(pair),
            self._settings.rubric,
            level,
            instruction=pair.instruction,
            input_text=pair.input,
            response=pair.response,
        )


def longest_sampled_prompts(settings: AssessSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the prompt of each level for a pair with the longest response."""
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


def _stop(settings: AssessSettings, separator: str | None) -> tuple[str, ...]:
    """Return the strings that end an answer: the separator and a line break, if they can end it.

    A chat model may start an unconstrained answer with an empty line, so a line break must not end
    it.
    """
    free_chat = settings.prompt_format == "Chat" and settings.decoding == "Free"
    line_end = () if free_chat else (ANSWER_STOP,)
    return line_end if separator is None else (separator, *line_end)

"""Expected scores: the mean of the score's own distribution, from one prefill (not the paper's).

Ten labels stand for the scores 1 to 10 (`templates/labels.py`). Their probabilities as the
next token are renormalised, and the score is the expectation under them: a fraction from 1
to 10, without sampling noise and with nothing to parse. It says something only where the
assessor would have answered with a label: a pair on which the labels hold less than
`LEAST_MASS` has no score, and a stage on which they hold less than `LEAST_MEAN_MASS` on
average fails.

All levels of a pair are asked side by side, because a prefill is cheap and the second one
finds all but its last lines in the prefix cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from isheep.recipes.settings import AssessSettings, Level
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.inference import Inference
from isheep_worker.rows.schema import LevelScore, PairRow
from isheep_worker.scoring.prompts import JudgingTemplates
from isheep_worker.scoring.resolution import check_labels, pinned_labels
from isheep_worker.templates.labels import LabelSet, label_set
from isheep_worker.templates.longest_prompts import Known, LongestPrompt
from isheep_worker.templates.rubric import EXPECTED_TEMPLATE_OF, label_encoder, label_prompt
from isheep_worker.templates.score import HIGHEST, LOWEST

LEAST_MASS = 0.1
"""The least share of the probability that the labels must hold for a pair to have a score."""
LEAST_MEAN_MASS = 0.5
"""The least that they must hold on average over a stage."""
TOO_LONG = LevelScore(None, "unscorable:too-long")


class LowLabelMassError(ValueError):
    """The assessor does not answer with labels; the message says what to do."""


class ExpectedScoring:
    """Scores as the labels' probabilities have them."""

    def __init__(self, settings: AssessSettings, inference: Inference, stage_id: str) -> None:
        """Raises `BadInputError` where the tokenizer's labels are not those of the settings."""
        self._settings = settings
        self._inference = inference
        self._token_ids = pinned_labels(settings).token_ids
        self._labels = label_set(pinned_labels(settings).kind)
        check_labels(settings, inference.library, inference.renderer)
        self._templates = JudgingTemplates(
            inference.library, EXPECTED_TEMPLATE_OF[settings.rubric], settings, stage_id
        )

    def rounds(self, levels: Sequence[Level]) -> Sequence[Sequence[Level]]:
        """Return all levels at once."""
        return [tuple(levels)]

    def order(self, pair: PairRow) -> str | None:
        """Return the order of the worked examples for a pair; None where it is fixed."""
        return self._templates.order(pair)

    def request(self, id_: str, pair: PairRow, level: Level) -> Request | None:
        """Return the request for labels; None where the prompt is too long for the model."""
        settings = self._settings
        text = label_prompt(
            self._templates.library(pair),
            settings.rubric,
            level,
            self._labels,
            instruction=pair.instruction,
            input_text=pair.input,
            response=pair.response,
        )
        encode = label_encoder(self._inference.renderer, settings.prompt_format, text, self._labels)
        return self._inference.label_request(id_, encode(""), self._token_ids)

    def read(self, completion: Completion | None) -> LevelScore:
        """Return the score of the labels' probabilities."""
        return TOO_LONG if completion is None else expected_score(completion.label_logprobs)


def longest_label_prompts(settings: AssessSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield each level's prompt for a pair with the longest response, up to its label."""
    labels = label_set(pinned_labels(settings).kind)
    for level in settings.levels:
        text = label_prompt(
            known.library,
            settings.rubric,
            level,
            labels,
            instruction=known.task.instruction,
            input_text=known.task.input,
            response=known.task.output,
        )
        yield LongestPrompt(
            EXPECTED_TEMPLATE_OF[settings.rubric],
            text + labels.begin,
            answer=1,
            field="responses.sampling",
            generated=known.response,
        )


def expected_score(logprobs: Sequence[float]) -> LevelScore:
    """Return the score of ten labels' log-probabilities, the worst score's first.

    There is none where the labels hold too little (`unscorable:low-mass`) or the model's
    logits are no numbers (`unscorable:not-a-number`).
    """
    probabilities = [math.exp(logprob) for logprob in logprobs]
    # Summing rounds, and a share is none above 1.
    mass = min(math.fsum(probabilities), 1.0)
    if math.isnan(mass):
        return LevelScore(None, "unscorable:not-a-number")
    if mass < LEAST_MASS:
        return LevelScore(None, "unscorable:low-mass", mass=mass)
    distribution = tuple(p / math.fsum(probabilities) for p in probabilities)
    score = math.fsum(score * p for score, p in enumerate(distribution, start=1))
    entropy = -math.fsum(p * math.log(p) for p in distribution if p > 0)
    return LevelScore(
        min(max(score, LOWEST), HIGHEST),
        mass=mass,
        entropy=max(entropy, 0.0),
        distribution=distribution,
    )


def check_mass(mean_mass: float | None, labels: LabelSet) -> None:
    """Raise `LowLabelMassError` where the labels hold too little on average over a stage."""
    if mean_mass is None or mean_mass >= LEAST_MEAN_MASS:
        return
    raise LowLabelMassError(
        f"assessment.scoring: Expected, but the labels {labels.labels[0]} to {labels.labels[-1]} "
        f"hold {mean_mass:.2f} of the next token's probability on average, less than "
        f"{LEAST_MEAN_MASS}: the assessor would answer something else. Write promptFormat: Raw or "
        "rubric: InContext, use another assessor, or write scoring: Sampled"
    )

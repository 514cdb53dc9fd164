"""Expected scores: the mean of the distribution of the score, from one prefill.

The method is ours, not the paper's. Ten labels represent the scores 1 to 10
(`templates/labels.py`). Their probabilities as the next token are normalised to sum to 1, and the
score is the expectation under them: a fraction between 1 and 10, without sampling noise and without
an answer to parse. The score has a meaning only if the assessor would answer with a label. So a
pair on which the labels have less than `LEAST_MASS` of the probability gets no score, and a stage
on which they have less than `LEAST_MEAN_MASS` on average fails.

All levels of a pair are requested together, because a prefill is cheap, and the second level finds
all but its last lines in the prefix cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from isheep.contract.choices import Level
from isheep.contract.reasons import Reason
from isheep.recipes.settings import AssessSettings
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.inference import Inference, TextInference
from isheep_worker.rows.schema import LevelScore, PairRow
from isheep_worker.runtime.errors import BadInputError, WorkerError
from isheep_worker.scoring.prompts import ScoringTemplates
from isheep_worker.scoring.resolution import check_labels, pinned_labels
from isheep_worker.templates.labels import LEAST_MASS, LabelSet, label_set
from isheep_worker.templates.longest_prompts import Known, LongestPrompt
from isheep_worker.templates.parsed_score import HIGHEST, LOWEST
from isheep_worker.templates.rubric import EXPECTED_TEMPLATE_OF, label_encoder, label_prompt

LEAST_MEAN_MASS = 0.5
"""The smallest share of the probability that the labels may have on average over a stage."""
TOO_LONG = LevelScore(None, "unscorable-too-long")


class LowLabelMassError(WorkerError, ValueError):
    """The assessor does not answer with labels; the message has the remedy."""

    reason = Reason.LOW_LABEL_MASS


class ExpectedScoring:
    """Computes scores from the probabilities of labels."""

    def __init__(self, settings: AssessSettings, inference: TextInference, stage_id: str) -> None:
        """Raises `BadInputError` for an endpoint, or for labels with other tokens than pinned."""
        if not isinstance(inference, Inference):
            raise BadInputError(
                "assessment.scoring: Expected needs the probabilities of labels, which an endpoint "
                "does not give; set scoring: Sampled, or use judge.model"
            )
        self._settings = settings
        self._inference = inference
        self._token_ids = pinned_labels(settings).token_ids
        self._labels = label_set(pinned_labels(settings).kind)
        check_labels(settings, inference.library, inference.renderer)
        self._templates = ScoringTemplates(
            inference.library, EXPECTED_TEMPLATE_OF[settings.rubric], settings, stage_id
        )

    def rounds(self, levels: Sequence[Level]) -> Sequence[Sequence[Level]]:
        """Return all levels in one group."""
        return [tuple(levels)]

    def order(self, pair: PairRow) -> str | None:
        """Return the order of the worked examples for a pair, or None if the order is fixed."""
        return self._templates.order(pair)

    def request(self, id_: str, pair: PairRow, level: Level, *, explained: bool) -> Request | None:
        """Return the request for a pair on a level, or None if the prompt is too long."""
        del explained  # an expected score has no explanation
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
        """Return the score of a completion, or the reason if the prompt was too long."""
        return TOO_LONG if completion is None else expected_score(completion.label_logprobs)


def longest_label_prompts(settings: AssessSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the prompt of each level for a pair with the longest response, up to the label."""
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
    """Return the score that ten log-probabilities of labels give.

    Args:
        logprobs: The natural logarithms of the labels' probabilities as the next token, that of the
            worst score first; shape [10].

    Returns:
        The expected score, with the labels' mass, entropy in nats and distribution; or no score,
        with the reason `unscorable-low-mass` if the mass is below `LEAST_MASS`, or
        `unscorable-not-a-number` if a log-probability is NaN.
    """
    probabilities = [math.exp(logprob) for logprob in logprobs]
    # Rounding can make the sum larger than 1.
    mass = min(math.fsum(probabilities), 1.0)
    if math.isnan(mass):
        return LevelScore(None, "unscorable-not-a-number")
    if mass < LEAST_MASS:
        return LevelScore(None, "unscorable-low-mass", mass=mass)
    distribution = tuple(p / math.fsum(probabilities) for p in probabilities)
    score = math.fsum(score * p for score, p in enumerate(distribution, start=1))
    entropy = -math.fsum(p * math.log(p) for p in distribution if p > 0)
    return LevelScore(
        min(max(score, LOWEST), HIGHEST),
        mass=mass,
        entropy=max(entropy, 0.0),
        distribution=distribution,
    )


def check_expected_scores(settings: AssessSettings, statistics: Mapping[str, float]) -> None:
    """Raise `LowLabelMassError` if a stage's mean mass is too low; see `check_mass`."""
    check_mass(statistics.get("meanMass"), label_set(pinned_labels(settings).kind))


def check_mass(mean_mass: float | None, labels: LabelSet) -> None:
    """Check that the labels had enough of the probability on average over a stage.

    Args:
        mean_mass: The mean mass over all prompts of the stage; None if there were no prompts.
        labels: The set of labels, for the message.

    Raises:
        LowLabelMassError: The mean mass is below `LEAST_MEAN_MASS`.
    """
    if mean_mass is None or mean_mass >= LEAST_MEAN_MASS:
        return
    raise LowLabelMassError(
        f"assessment.scoring is Expected, but the labels {labels.labels[0]} to "
        f"{labels.labels[-1]} have {mean_mass:.2f} of the next token's probability on average, "
        f"less than {LEAST_MEAN_MASS}: the assessor would write another answer. Set promptFormat: "
        "Raw or rubric: InContext, use another assessor, or set scoring: Sampled"
    )

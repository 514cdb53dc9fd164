"""Which model of an endpoint answered in each stage, and what changed between the stages.

An endpoint can change its model behind one name. Its fingerprint then changes, if the server
returns one. Scores and judgements from before and after such a change can differ for this reason
alone, so the report says where it happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from isheep_worker.execution.served import OTHERS, SERVED
from isheep_worker.report.stage_figures import StageFigures

_MEANING = "the figures can differ for this reason alone"


@dataclass(frozen=True, slots=True)
class ServedAnswers:
    """The answers of a stage from one model of an endpoint.

    `days` are the dates of the answers, the first and the last one. `model` and `fingerprint` are
    as the server returned them, "-" without such a name. `answers` is their number.
    """

    stage: str
    model: str
    fingerprint: str
    days: tuple[str, ...]
    answers: int

    @property
    def version(self) -> str:
        """The model and the fingerprint as one text."""
        return f"{self.model} (fingerprint {self.fingerprint})"


@dataclass(frozen=True, slots=True)
class ServedFigures:
    """The answers of all stages, and a sentence for each change of the endpoint's model."""

    stages: tuple[ServedAnswers, ...]
    notes: tuple[str, ...]


def served_figures(stages: Iterable[StageFigures]) -> ServedFigures | None:
    """Return who answered in each stage; None if no stage has asked an endpoint.

    Args:
        stages: The stages of the report in their order.
    """
    found: list[ServedAnswers] = []
    notes: list[str] = []
    before: dict[str, tuple[str, frozenset[str]]] = {}
    for stage in stages:
        answers = list(_answers(stage))
        if not answers:
            continue
        found += answers
        versions = frozenset(one.version for one in answers)
        if len(versions) > 1:
            notes.append(_within(stage.id, answers))
        if stage.kind in before and before[stage.kind][1] != versions:
            notes.append(_between(before[stage.kind], stage.id, versions))
        before[stage.kind] = (stage.id, versions)
    return ServedFigures(tuple(found), tuple(notes)) if found else None


def _answers(stage: StageFigures) -> Iterator[ServedAnswers]:
    """Yield the answers of a stage by model and fingerprint, the most frequent ones first."""
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    days: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for name, count in stage.statistics.items():
        if not name.startswith(SERVED):
            continue
        rest = name.removeprefix(SERVED)
        day, model, fingerprint = ("", OTHERS, OTHERS) if rest == OTHERS else rest.split(" ")
        counts[model, fingerprint] += int(count)
        days[model, fingerprint] |= {day} - {""}
    for (model, fingerprint), count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        known = sorted(days[model, fingerprint])
        ends = tuple(dict.fromkeys((known[0], known[-1]))) if known else ()
        yield ServedAnswers(stage.id, model, fingerprint, ends, count)


def _within(stage: str, answers: Sequence[ServedAnswers]) -> str:
    texts = ", ".join(f"{one.version} gave {one.answers} answers" for one in answers)
    return f"{stage}: the endpoint changed its model within the stage: {texts}; {_MEANING}"


def _between(before: tuple[str, frozenset[str]], stage: str, versions: frozenset[str]) -> str:
    name, earlier = before
    return (
        f"{stage}: the endpoint changed its model after {name}: from {_joined(earlier)} to "
        f"{_joined(versions)}; {_MEANING}"
    )


def _joined(versions: frozenset[str]) -> str:
    return " and ".join(sorted(versions))

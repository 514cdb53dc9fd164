"""A report with every part, made by the report's own code from rows that tests write here.

The texts are hostile or long on purpose: markup, controls, a long word, right-to-left text.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

from isheep.contract.choices import PromptFormat
from isheep.contract.order import RunRef
from isheep.recipes.settings import ReportSettings
from isheep_worker.evaluation.memorization import Memorized
from isheep_worker.report.document import (
    ReportInput,
    SampleAnswer,
    TrainingStep,
    report_document,
)
from isheep_worker.report.explanations import AssessedPair, AssessorAnswer
from isheep_worker.report.pairs import PairFigures, distance_of, pair_figures
from isheep_worker.report.scores import Agreement, LevelFigures, OrderMean
from isheep_worker.report.stage_figures import StageFigures, StageTime
from isheep_worker.rows.schema import GradeRow, SelectionRow
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.document import verdict_document
from isheep_worker.yardstick.grade_section import GradedAnswers

from ..yardstick.evaluations import rows as evaluations
from ..yardstick.evaluations import source

TEXTS = (
    "Name three rivers in Asia.",
    "<img src=x onerror=alert(1)><script>document.title='evil'</script>",
    "می‌خواهم یک شعر بنویسم",
    "W" * 300,
    "line\n" * 12,
    "\x1b[31m\u202eevil\x00",
)
METHOD = {"method": "SelfAssessment", "threshold": 6}


def rows(t: int) -> list[SelectionRow]:
    """Return 120 pairs: each third one is kept, and the others are dropped for three reasons."""
    found = []
    for number in range(120):
        text = TEXTS[number % len(TEXTS)]
        score = float(number % 10 + 1)
        reason = None if score > 6 else "score-quality"
        if number % 20 == 0:
            reason = "question-back"
        scores = {} if reason == "question-back" else {"Quality": score, "Following": 7.0}
        place = f"i{t}-r1-c{number:05d}-p1"
        found.append(
            SelectionRow(
                place, text, "", f"{text} {number}", "stop", reason is None, reason, scores
            )
        )
    return found


def stages(t: int) -> list[StageFigures]:
    """Return the stages of an iteration whose counts are those of the rows."""
    made = rows(t)
    dropped = {name: sum(row.reason == name for row in made) for name in ("question-back",)}
    low = sum(row.reason == "score-quality" for row in made)
    kept = sum(row.kept for row in made)
    counted: list[tuple[str, int | None, dict[str, float], dict[str, Any]]] = [
        ("generate", 1, {"completions": 40, "tokens": 9000, "modelLoads": 1}, {}),
        (
            "curate",
            1,
            {
                "completions": 40,
                "parsed": 150,
                "accepted": 120,
                "drop:rouge-l": 20,
                "drop:url": 10,
                "drop:parse-cut": 4,
            },
            {"url": [f"a link: {TEXTS[1]}"]},
        ),
        ("respond", None, {"pairs": 120, "tokens": 7000}, {}),
        (
            "assess",
            None,
            {
                "pairs": 120,
                "scored": 120 - dropped["question-back"],
                f"served:2026-05-0{t} judge-1 fp_{t}": 114,
            },
            {},
        ),
        (
            "select",
            None,
            {
                "pairs": 120,
                "kept": kept,
                "meanScore": 8.1,
                "drop:question-back": dropped["question-back"],
                "drop:score-quality": low,
            },
            {"question-back": [TEXTS[3]]},
        ),
        (
            "train",
            None,
            {
                "samples": kept - 5,
                "validationSamples": 5,
                "trainLoss": 1.5,
                "evalLoss": 1.7,
                "adapterStep": 20,
                "adaptedShare": 0.5,
            },
            {},
        ),
        ("merge", None, {}, {}),
    ]
    begin = 1_790_000_000 + 1000 * t
    return [
        StageFigures(
            f"i{t}/{kind}" + (f"/r{round_}" if round_ else ""),
            kind,
            t,
            round_,
            f"{t}{number}" * 32,
            "u",
            StageTime(begin + 100 * number, begin + 100 * number + 90, 10, 60, 15),
            statistics,
            examples,
        )
        for number, (kind, round_, statistics, examples) in enumerate(counted)
    ]


def training() -> list[TrainingStep]:
    return [
        TrainingStep(n, 2.0 - n / 50, 1.7 if n % 20 == 0 else None, 1e-5, 1 / n)
        for n in range(1, 41)
    ]


def pairs(t: int) -> PairFigures:
    return pair_figures(rows(t), 0, distance_of(METHOD))


def benchmark() -> BenchmarkSeries:
    """Return a benchmark of 60 items on which M(2) is better than both formats of M(0)."""

    def values(right: int) -> dict[str, float]:
        return {f"q{n:02}": float(n < right) for n in range(60)}

    return BenchmarkSeries(
        name="quiz",
        role="Test",
        metric="acc",
        filter="none",
        higher_is_better=True,
        primary=True,
        prompt_format="Chat",
        values={0: values(10), 1: values(24), 2: values(45)},
        other_format="Raw",
        other_base=values(25),
    )


def graded() -> GradedAnswers:
    """Return the grades of M(2), whose second turns are worse, with a hostile category."""
    sources: tuple[PromptFormat | None, ...] = (None, "Chat", "Raw")
    rows = [
        GradeRow(f"q{n}", turn, of, (4 if of is None and turn == 2 else 7) + n % 2, 9, TEXTS[1])
        for of in sources
        for n in range(40)
        for turn in (1, 2)
    ]
    return GradedAnswers("bench", 2, ("Chat", "Raw"), rows)


def whole_report() -> dict[str, Any]:
    """Return the document of a report on two iterations, which the caller may change."""
    return copy.deepcopy(_whole_report())


@cache
def _whole_report() -> dict[str, Any]:
    expected = LevelFigures(
        "Quality",
        9,
        1,
        0.98,
        1.2,
        (0.1,) * 10,
        (OrderMean("2-1-3", 9, 6.3),),
        Agreement(9, -1, 0.5),
    )
    answer = AssessorAnswer("Quality", None, "unparseable-ambiguous", TEXTS[1])
    return report_document(
        ReportInput(
            run=RunRef(namespace="default", name="demo", uid="u"),
            settings=ReportSettings(
                recipe="ISheep", iterations=2, spec={"model": {"storageUri": "hf://o/m"}}
            ),
            stages=[*stages(1), *stages(2)],
            training={1: training(), 2: training()},
            pairs={1: pairs(1), 2: pairs(2)},
            pairs_files={1: "pairs-i1.jsonl.gz", 2: "pairs-i2.jsonl.gz"},
            scores={1: (expected,)},
            answers={1: [AssessedPair(TEXTS[0], TEXTS[1], TEXTS[3], (answer,))]},
            verdict=verdict_document(
                replace(
                    source(
                        evaluations(60), evaluations(60, worse_by=0.1), evaluations(24), data=80
                    ),
                    benchmarks=[
                        benchmark(),
                        replace(benchmark(), metric="acc_norm", primary=False),
                    ],
                    benchmark_texts={"quiz": TEXTS},
                    graded=[graded()],
                    memorized={"quiz": Memorized(50, 10, frozenset({"q00", "q01"}))},
                )
            ),
            samples=[
                SampleAnswer(f"M({n})", prompt, text)
                for prompt in TEXTS[:2]
                for n, text in enumerate(TEXTS[2:5])
            ],
            environment={
                "device": "NVIDIA H200",
                "base model": "hf://o/m@0123456789abcdef0123456789abcdef01234567",
                "worker image": f"registry.example/isheep/worker@sha256:{'a' * 64}",
                "package torch": "2.13.0",
            },
            model_digest="d" * 64,
            store="s3://my-bucket/isheep",
        )
    )

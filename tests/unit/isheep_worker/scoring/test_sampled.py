"""Sampled scoring: where requests stop, and the same scores with and without the explanations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from isheep.recipes.settings import AssessSettings, ModelSettings, Sampling
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.inference import Inference
from isheep_worker.execution.parts import FilledPart
from isheep_worker.rows.schema import SCORES, PairRow, ScoreRow
from isheep_worker.scoring.sampled import SampledScoring
from isheep_worker.stages.assess import ScoringPlan, score_part
from isheep_worker.templates.library import TemplateLibrary

REASON = "the response names two of the three rivers and repeats itself at the end"
ANSWERS = (
    f"8||{REASON}",
    f"10|| {REASON}\n\nNext task: Name a bird.",
    f" 7 || {REASON}",
    f"**9**||{REASON}",
    f"Score: 6/10||{REASON}",
    f"\n\n5||{REASON}",
    f"9||{REASON} || 3",
    f"||{REASON}",
    f"Here is the score:\n\n4||{REASON}",
    f"8-9||{REASON}",
    f"It is good.||{REASON}",
    f"11||{REASON}",
    f"<think>\n\n</think>\n\n3||{REASON}",
    "2",
    "",
)
LEAD = " "
"""The white space before a response, which is a part of the prompt of an answer that is begun."""
CUSTOM = "{{ instruction }}{{ input }}{{ response }}{{ level }} Reason, then Rating: [[score]]\n"


class Prompts:
    """What sampled scoring uses of an `Inference`: templates, renderer and requests."""

    text_request = Inference.text_request

    def __init__(self, templates: Mapping[str, str] | None = None) -> None:
        self.library = TemplateLibrary(templates)
        self.renderer = self

    def raw(self, text: str) -> list[int]:
        return list(text.encode())

    def chat(self, text: str, begun: str | None = None) -> list[int]:
        return self.raw(text if begun is None else f"{text}{LEAD}{begun}")

    def fits(self, prompt: list[int], sampling: Sampling) -> bool:
        return True

    def request(self, id_: str, prompt: Any, seed: int, sampling: Any, **more: Any) -> Request:
        return Request(id_, tuple(prompt), seed, 1.0, 1.0, sampling.max_tokens, **more)


def complete(request: Request) -> Completion:
    """Complete a request for the pair of this number as engines do; a token is a character."""
    answer = ANSWERS[int(request.id.rpartition("/")[2])]
    cut = answer[: request.max_tokens]
    ends = [(at, len(stop)) for stop in request.stop if (at := cut.find(stop)) >= 0]
    at, length = min(ends, default=(len(cut), 0))
    reason = "length" if len(answer) > len(cut) and not ends else "stop"
    return Completion(request.id, cut[:at], reason, 1, at + length)


def settings_of(**changes: Any) -> AssessSettings:
    fields = {
        "model": ModelSettings(
            base_model="", engine="VLLM", dtype="float32", max_model_length=9, chat_format=""
        ),
        "random_seed": 0,
        "levels": ("Quality",),
        "rubric": "Simple",
        "scoring": "Sampled",
        "decoding": "Free",
        "prompt_format": "Chat",
        "sampling": Sampling(temperature=1.0, top_p=1.0, max_tokens=200),
        "language": "en",
        "rules": "None",
        "templates": "",
    }
    return AssessSettings(**{**fields, **changes})


def scored(
    explanations: int,
    templates: Mapping[str, str] | None = None,
    part: int = 0,
    **changes: Any,
) -> tuple[list[ScoreRow], int]:
    """Return the rows and the tokens of a part whose answers are `ANSWERS`."""
    settings = settings_of(**changes)
    pairs = [PairRow(str(n), "Name a river.", "", "Nile.", "stop", 1, 1) for n in range(15)]
    prompts: Any = Prompts(templates)
    scoring = SampledScoring(settings, prompts, "i1/assess")
    program = score_part(
        ScoringPlan(("Quality",), scoring, explanations=explanations), (), pairs, part
    )
    requests, filled = next(program), None
    try:
        while True:
            requests = program.send([complete(request) for request in requests])
    except StopIteration as end:
        filled = end.value
    assert isinstance(filled, FilledPart)
    return [SCORES.decode(line) for line in filled.lines], int(filled.statistics["tokens"])


def scores(rows: list[ScoreRow]) -> list[tuple[float | None, str | None]]:
    return [(level.score, level.reason) for row in rows for level in row.levels.values()]


@pytest.mark.parametrize("parsing", [None, "Strict"])
@pytest.mark.parametrize("prompt_format", ["Raw", "Chat"])
def test_a_score_is_the_same_with_and_without_its_explanation(parsing, prompt_format) -> None:
    form = {"parsing": parsing, "prompt_format": prompt_format}
    explained, all_tokens = scored(100, **form)
    bare, tokens = scored(0, **form)
    assert scores(bare) == scores(explained)
    assert tokens < 0.25 * all_tokens
    assert not any("||" in row.levels["Quality"].raw for row in bare)


def test_a_chat_answer_is_read_after_empty_lines_and_in_other_forms() -> None:
    read = [score for score, _ in scores(scored(20)[0])]
    assert read == [8, 10, 7, 9, 6, 5, 9, None, 4, None, None, None, 3, 2, None]
    reasons = [reason for _, reason in scores(scored(0)[0]) if reason]
    kinds = ["empty", "ambiguous", "no-number", "out-of-range", "empty"]
    assert reasons == [f"unparseable-{kind}" for kind in kinds]
    strict = [score for score, _ in scores(scored(0, parsing="Strict")[0])]
    assert strict == [8, 10, 7, None, None, 5, 9, None, None, 8, None, None, None, 2, None]


def test_only_the_first_pairs_have_an_explanation() -> None:
    rows, _ = scored(3)
    assert [REASON in row.levels["Quality"].raw for row in rows] == [True] * 3 + [False] * 12
    assert rows[3].levels["Quality"].raw == "**9**"
    # A part has 64 pairs, so the first 66 pairs are those of part 0 and two of part 1.
    rows, _ = scored(66, part=1)
    assert [REASON in row.levels["Quality"].raw for row in rows] == [True] * 2 + [False] * 13


def test_a_template_that_does_not_ask_for_the_separator_gets_whole_answers() -> None:
    whole = {"assess-simple": CUSTOM}
    rows, _ = scored(0, whole)
    assert rows[0].levels["Quality"].raw == ANSWERS[0]
    # Constrained answers have the separator in every case.
    rows, _ = scored(0, whole, decoding="Constrained")
    assert rows[0].levels["Quality"].raw == "8"


@pytest.mark.parametrize(
    ("decoding", "prompt_format", "end"),
    [("Constrained", "Chat", b"\n "), ("Free", "Chat", b"\n"), ("Constrained", "Raw", b"\n")],
)
def test_white_space_before_a_constrained_answer_is_in_the_prompt(
    decoding: str, prompt_format: str, end: bytes
) -> None:
    prompts: Any = Prompts()
    settings = settings_of(decoding=decoding, prompt_format=prompt_format)
    pair = PairRow("a", "Name a river.", "", "Nile.", "stop", 1, 1)
    scoring = SampledScoring(settings, prompts, "i1/assess")
    request = scoring.request("0", pair, "Quality", explained=False)
    assert request is not None
    prompt = bytes(request.prompt_token_ids)
    assert prompt.endswith(end)
    assert not prompt.removesuffix(end).endswith((b" ", b"\n"))


def test_an_answer_that_is_cut_right_after_its_number_has_no_score() -> None:
    short = Sampling(temperature=1.0, top_p=1.0, max_tokens=1)
    rows, _ = scored(0, sampling=short)
    # "10||" is cut to "1".
    assert scores(rows)[1] == (None, "unparseable-ambiguous")
    assert scores(rows)[13] == (2, None)
    assert scores(scored(0, sampling=short, parsing="Strict")[0])[1] == (1, None)

"""The result of prepare that a plan expects after an edit of the benchmarks."""

from __future__ import annotations

from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.planner.expected_prepare import expected_prepared, is_unknown
from isheep.recipes.evaluation_settings import ScoreSettings

from .prepared_inputs import prepared_for, with_evaluation
from .simulation import spec_with

QUIZ: dict[str, Any] = {"name": "quiz", "task": "arc_easy"}
RULES: dict[str, Any] = {"name": "rules", "task": "ifeval"}


def spec(*benchmarks: dict[str, Any], **evaluation: Any) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(
        spec_with(evaluation={"benchmarks": list(benchmarks), **evaluation})
    )


BEFORE = spec(QUIZ)
FOUND = with_evaluation(prepared_for(), BEFORE)


def expected(now: SelfAlignmentRunSpec, found: Prepared = FOUND) -> Prepared:
    result = expected_prepared(found, BEFORE, now)
    assert result is not None
    return result


def unknown(prepared: Prepared, name: str) -> bool:
    digest = (prepared.evaluation or {})[name].digest
    return is_unknown(ScoreSettings(benchmark=digest, prompt_format="Raw", harness="0"))


def test_without_an_edit_the_result_is_the_same() -> None:
    assert expected(BEFORE) == FOUND


def test_only_the_new_benchmark_is_unknown_and_the_rest_stays() -> None:
    made = expected(spec(QUIZ, RULES))
    assert (unknown(made, "quiz"), unknown(made, "rules")) == (False, True)
    assert set((made.evaluation or {})["rules"].requests) == {"Raw", "Chat"}
    fields = {"evaluation": FOUND.evaluation}
    assert made.model_copy(update=fields) == FOUND


def test_the_name_and_the_role_are_known_and_what_changes_requests_is_not() -> None:
    assert not unknown(expected(spec({**QUIZ, "name": "other", "role": "Validation"})), "other")
    assert unknown(expected(spec({**QUIZ, "limit": 9})), "quiz")
    assert unknown(expected(spec(QUIZ, randomSeed=3)), "quiz")


def test_texts_that_are_kept_out_of_the_training_are_unknown_if_they_change() -> None:
    dropping = {**QUIZ, "decontaminate": "Drop"}
    assert expected(spec(dropping)).evaluation_texts not in (None, FOUND.evaluation_texts)
    texts = FOUND.model_copy(update={"evaluation_texts": "texts"})
    before = spec(dropping)
    same = expected_prepared(texts, before, spec(dropping, RULES))
    less = expected_prepared(texts, before, spec(QUIZ))
    assert same is not None
    assert less is not None
    assert (same.evaluation_texts, less.evaluation_texts) == ("texts", None)


def test_without_benchmarks_nothing_is_left_of_them() -> None:
    made = expected(SelfAlignmentRunSpec.read(spec_with()))
    assert (made.evaluation, made.harness) == (None, None)

"""Each figure of a training set has the value of its definition."""

import math

import numpy as np
import pytest

from isheep_worker.collapse.interface import NO_FIGURE, Figure, mean_figure
from isheep_worker.collapse.registry import ROW_FIGURES, row_figures
from isheep_worker.collapse.row_set import Budget, CollapseRow, equal_budget, read_rows


def figures(rows: list[CollapseRow], earlier: list[CollapseRow] | None = None) -> dict[str, Figure]:
    vocabulary: dict[str, int] = {}
    now = read_rows(rows, 0, vocabulary)
    before = None if earlier is None else read_rows(earlier, 0, vocabulary)
    return row_figures(now, before, now.budget)


def rows_of(texts: list[tuple[str, str]], **fields: object) -> list[CollapseRow]:
    return [
        CollapseRow(f"i1-r1-c{place}-p0", *text, "stop", **fields)  # type: ignore[arg-type]
        for place, text in enumerate(texts)
    ]


FOUR = rows_of(
    [
        ("Write a poem", "a b a b"),
        ("Write a poem now", "a b"),
        ("Explain rain", ""),
        ("List three facts", "c"),
    ]
)


@pytest.mark.parametrize(
    ("name", "value", "n"),
    [
        ("distinct1", 3 / 7, 1),
        ("distinct2", 2 / 4, 1),
        ("distinct3", 2 / 2, 1),
        ("nearestInstruction", (6 / 7 + 6 / 7) / 4, 4),
        ("nearCopies", 0.5, 4),
        ("leadingWordEntropy", 0.5 * math.log(2) + 0.5 * math.log(4), 4),
        ("instructionWords", 3.0, 4),
        ("responseWords", 7 / 4, 4),
        ("cutShare", 0.0, 4),
    ],
)
def test_figures_of_texts(name: str, value: float, n: int) -> None:
    found = figures(FOUR)[name]
    assert found.value == pytest.approx(value)
    assert found.n == n


def test_figures_with_earlier_rows() -> None:
    earlier = rows_of([("Explain rain", "x"), ("Sing a song", "y"), ("Go", "z"), ("Do it", "z")])
    found = figures(FOUR, earlier)
    expected = [2 / 6, 2 / 7, 1.0, 0.0]
    assert found["nearestEarlierInstruction"].value == pytest.approx(sum(expected) / 4)
    assert found["nearCopiesOfEarlier"].value == 0.25
    assert figures(FOUR)["nearestEarlierInstruction"] == NO_FIGURE
    assert figures(FOUR)["nearCopiesOfEarlier"] == NO_FIGURE


def test_figures_of_scores() -> None:
    scores = [10.0, 9.5, 9.4, 1.0]
    rows = [
        CollapseRow(f"c{place}", "a", "b", "length", place == 0, {"Quality": score}, 2, -1.0)
        for place, score in enumerate(scores)
    ]
    found = figures(rows)
    assert found["topScoreShare"].value == 0.5
    # The median is 9.45.
    assert found["scoreSpread"].value == pytest.approx((0.55 + 0.05 + 0.05 + 8.45) / 4)
    assert found["scoreSpread"].n == 4
    assert found["cutShare"].value == 1.0
    assert found["logProbability"].value == -0.5
    assert found["scoreLengthTau"] == Figure(None, 4, 4)


def test_correlations_of_scores() -> None:
    rows = [
        CollapseRow(
            f"c{place}", "a", "b " * place, "stop", False, {"Quality": place / 10}, place + 1,
            float((place + 1) * (place % 2 - place)),
        )
        for place in range(60)
    ]  # fmt: skip
    found = figures(rows)
    assert found["scoreLengthTau"].value == pytest.approx(1.0)
    # Neighbours have the orders (0, 1), (0, 1), …, so 30 of 1,770 pairs are concordant or tied.
    assert found["scoreLogProbabilityTau"].value is not None
    assert -1 < found["scoreLogProbabilityTau"].value < -0.9
    assert found["scoreLogProbabilityTau"].n == 60


@pytest.mark.parametrize(
    ("exemplars", "entropy", "n"),
    [
        # The first two rows are from one completion.
        ([("a", "b"), ("a", "b"), ("c", "d")], math.log(4), 2),
        ([("a", "b"), ("a", "b"), ("a", "c")], 0.5 * math.log(2) + 0.5 * math.log(4), 2),
        ([("a",), ("a",), ("a",)], 0.0, 2),
        ([(), (), ("a", "b")], math.log(2), 1),
    ],
)
def test_entropy_of_the_seeds(exemplars: list[tuple[str, ...]], entropy: float, n: int) -> None:
    rows = [
        CollapseRow(f"i1-r1-c{place // 2}-p{place % 2}", "a", "b", "stop", exemplars=shown)
        for place, shown in enumerate(exemplars)
    ]
    found = figures(rows)["seedEntropy"]
    assert found.value == pytest.approx(entropy)
    assert found.n == n


def test_rows_without_a_value_have_no_figure() -> None:
    found = figures(FOUR)
    for name in ("seedEntropy", "scoreSpread", "topScoreShare", "logProbability"):
        assert found[name] == NO_FIGURE


def test_no_row_gives_no_figure() -> None:
    for name, figure in figures([], []).items():
        assert figure.value is None, name


def test_the_number_of_rows_and_words_is_equal() -> None:
    rng = np.random.default_rng(0)

    def drawn(count: int, size: int) -> list[CollapseRow]:
        return rows_of(
            [
                ("do " + str(k), " ".join(f"w{n}" for n in rng.zipf(1.5, size) % 500))
                for k in range(count)
            ]
        )

    few, many = drawn(100, 20), drawn(900, 30)
    small, large = read_rows(few, 0, {}), read_rows(many, 0, {})
    budget = equal_budget(small, large)
    assert budget == Budget(100, 2_000, 0)
    whole = row_figures(large, None, large.budget)["distinct2"]
    cut, other = (row_figures(each, None, budget)["distinct2"] for each in (large, small))
    assert cut.n == other.n == 8
    assert cut.value is not None
    assert other.value is not None
    assert whole.value is not None
    assert abs(cut.value - other.value) < 0.03
    assert cut.value - whole.value > 0.03


def test_repetition_over_rows_lowers_the_figures() -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(f"w{n}" for n in rng.integers(0, 2_000, 30)) for _ in range(200)]
    diverse = figures(rows_of([("do", text) for text in texts]))
    copied = figures(rows_of([("do", texts[k % 10]) for k in range(200)]))
    for name in ("distinct1", "distinct2", "distinct3"):
        before, after = diverse[name], copied[name]
        assert before.value is not None
        assert after.value is not None
        assert before.standard_error is not None
        assert before.value - after.value > 10 * before.standard_error


def test_a_mean_has_the_standard_error_of_its_items() -> None:
    found = mean_figure([1.0, 2.0, float("nan"), 6.0], ["a", "b", "c", "d"])
    assert found.value == 3.0
    assert found.n == 3
    assert found.ids == ("a", "b", "d")
    assert found.standard_error == pytest.approx(math.sqrt(7 / 3))


def test_the_items_of_one_group_count_once_for_the_standard_error() -> None:
    values = np.array([1.0, 2.0, 6.0])
    copied = mean_figure(np.repeat(values, 4), groups=np.repeat([7, 8, 9], 4))
    single = mean_figure(values)
    assert (copied.n, copied.clusters) == (12, 3)
    assert copied.standard_error == pytest.approx(single.standard_error)


def test_names_are_unique_and_definitions_are_complete() -> None:
    names = [figure.name for figure in ROW_FIGURES]
    assert len(set(names)) == len(names) == 17
    for figure in ROW_FIGURES:
        assert figure.meaning.endswith(".")
        assert figure.unit
        assert figure.source

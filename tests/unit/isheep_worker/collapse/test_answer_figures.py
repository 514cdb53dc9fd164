"""Each figure of answers has the value of its definition, for each instruction."""

from dataclasses import dataclass

import pytest

from isheep_worker.collapse.registry import ANSWER_FIGURES, answer_figures


@dataclass
class Given:
    id: str
    instruction: str
    input: str
    response: str
    finish_reason: str = "stop"
    loss: float | None = None


ANSWERS = [
    Given("a", "Say the red fox runs", "", "the red fox runs away", loss=2.0),
    Given("b", "Count", "one two", "one two one two one two", "length", loss=None),
    Given("c", "Greet", "", "hello", loss=1.0),
]


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("answerLoss", {"a": 2.0, "c": 1.0}),
        ("answerWords", {"a": 5, "b": 6, "c": 1}),
        ("answerCutShare", {"a": 0, "b": 1, "c": 0}),
        # b has four 3-grams, of which two are different.
        ("answerRepetition", {"a": 0.0, "b": 0.5, "c": 0.0}),
        ("answerSimilarity", {"a": 0.0, "b": 0.0, "c": 0.0}),
        # Two of the three 3-grams of a are in its instruction.
        ("answerEcho", {"a": 2 / 3, "b": 0.0, "c": 0.0}),
    ],
)
def test_values_of_items(name: str, items: dict[str, float]) -> None:
    found = answer_figures(ANSWERS)[name]
    assert found.ids == tuple(items)
    assert found.items.tolist() == pytest.approx(list(items.values()))
    assert found.value == pytest.approx(sum(items.values()) / len(items))


def test_the_same_answer_to_all_instructions_is_similar() -> None:
    same = [Given(str(k), f"Task {k}", "", "I am a helpful assistant") for k in range(3)]
    assert answer_figures(same)["answerSimilarity"].value == 1.0


def test_another_instruction_is_no_echo() -> None:
    swapped = [
        Given("a", "Say the red fox runs", "", "a b c"),
        Given("b", "Say a b c", "", "the red fox runs"),
    ]
    assert answer_figures(swapped)["answerEcho"].value == 0.0


def test_no_answers_give_no_figures() -> None:
    for name, figure in answer_figures([]).items():
        assert figure.value is None, name


def test_names_are_unique() -> None:
    assert len({figure.name for figure in ANSWER_FIGURES}) == len(ANSWER_FIGURES) == 6

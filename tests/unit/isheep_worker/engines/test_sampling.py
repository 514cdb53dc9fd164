"""Sampling of the next token with a separate generator for each row."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep_worker.engines import sampling
from isheep_worker.engines.sampling import draw_tokens, row_generator, token_logprobs, uniform


def draw(probabilities: list[float], *, temperature=1.0, top_p=1.0, at: float) -> int:
    return int(
        draw_tokens(
            torch.tensor([probabilities]).log(),
            torch.tensor([temperature]),
            torch.tensor([top_p]),
            torch.tensor([at], dtype=torch.float64),
        )
    )


def test_a_uniform_number_selects_the_token_by_cumulative_probability():
    assert [draw([0.5, 0.3, 0.2], at=u) for u in (0.0, 0.49, 0.51, 0.79, 0.81)] == [0, 0, 1, 1, 2]


def test_top_p_keeps_the_smallest_set_of_tokens_that_reaches_it():
    shares = [0.1, 0.2, 0.3, 0.4]
    assert {draw(shares, top_p=0.4, at=u / 50) for u in range(50)} == {3}
    assert {draw(shares, top_p=0.41, at=u / 50) for u in range(50)} == {2, 3}
    assert draw(shares, top_p=0.69, at=0.999) == 2


def test_a_low_temperature_prefers_likely_tokens_and_0_takes_the_most_likely():
    assert draw([0.4, 0.6], temperature=0.0, at=0.01) == 1
    assert draw([0.4, 0.6], temperature=0.05, at=0.01) == 1
    assert draw([0.4, 0.6], temperature=50.0, at=0.48) == 0


def test_each_row_uses_its_own_parameters():
    logits = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]]).log()
    drawn = draw_tokens(
        logits,
        torch.tensor([1.0, 0.0, 1.0]),
        torch.tensor([1.0, 1.0, 0.5]),
        torch.tensor([0.7, 0.99, 0.0], dtype=torch.float64),
    )
    assert drawn.tolist() == [1, 0, 1]


def test_a_nucleus_with_more_tokens_than_the_candidates_is_complete(monkeypatch):
    shares = [0.1, 0.2, 0.3, 0.4]
    wide = [draw(shares, top_p=0.95, at=u / 50) for u in range(50)]
    monkeypatch.setattr(sampling, "CANDIDATES", 2)
    assert [draw(shares, top_p=0.95, at=u / 50) for u in range(50)] == wide


@given(
    logits=st.lists(
        st.floats(-1e4, 1e4, width=32) | st.just(float("-inf")), min_size=2, max_size=40
    ).filter(lambda values: max(values) > float("-inf")),
    top_p=st.floats(0.01, 1.0),
    at=st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=200, deadline=None)
def test_a_token_that_is_not_allowed_is_never_drawn(logits: list[float], top_p: float, at: float):
    drawn = draw_tokens(
        torch.tensor([logits]),
        torch.tensor([1.0]),
        torch.tensor([top_p]),
        torch.tensor([at], dtype=torch.float64),
    )
    assert torch.softmax(torch.tensor(logits), 0)[int(drawn)] > 0


def test_each_seed_has_its_own_numbers():
    seed = 2**63 - 1
    one, same, other = row_generator(seed), row_generator(seed), row_generator(seed - 1)
    stream = [uniform(one) for _ in range(5)]
    assert stream == [uniform(same) for _ in range(5)]
    assert stream != [uniform(other) for _ in range(5)]
    assert all(0 <= u < 1 for u in stream)


def test_the_log_probability_of_a_token_is_that_of_the_softmax():
    logits = torch.tensor([[0.0, 1.0, -1.0], [5.0, 5.0, float("-inf")]])
    found = token_logprobs(logits, torch.tensor([1, 0]))
    expected = torch.log_softmax(logits, dim=-1)[[0, 1], [1, 0]]
    assert torch.allclose(found, expected)
    assert abs(float(found[1]) - -0.6931) < 1e-4

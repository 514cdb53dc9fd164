"""Losses of tokens equal those of one softmax over all positions."""

import pytest
import torch

from isheep_worker.engines.token_losses import are_most_likely, token_losses


@pytest.mark.parametrize("positions", [1, 512, 1300])
def test_the_losses_are_those_of_the_whole_text(positions: int):
    generator = torch.Generator().manual_seed(positions)
    logits = torch.randn(positions, 11, generator=generator)
    wanted = torch.randint(11, (positions,), generator=generator)
    losses = token_losses(logits, wanted)
    expected = -logits.double().log_softmax(-1)[torch.arange(positions), wanted]
    assert losses.dtype == torch.float64
    assert torch.allclose(losses, expected, atol=1e-6)


def test_tokens_are_the_most_likely_ones_if_none_is_more_likely():
    logits = torch.zeros(600, 5)
    logits[:, 2] = 1.0
    wanted = torch.full((600,), 2)
    assert are_most_likely(logits, wanted)
    wanted[599] = 3
    assert not are_most_likely(logits, wanted)
    logits[599, 3] = 1.0
    assert are_most_likely(logits, wanted)

"""Sampling of the next token with a separate random generator for each row.

Transformers' `generate` draws from one generator for the whole batch, so the text of a row depends
on the other rows. Here each row has its own generator, which the seed of its request initializes.
A row uses exactly one uniform number for each token: the token at which the cumulative distribution
exceeds that number (inverse transform sampling).
"""

from __future__ import annotations

import torch

# Enough tokens for a nucleus of 0.95 unless the distribution is flat, and cheaper than a sort.
CANDIDATES = 1024


def row_generator(seed: int) -> torch.Generator:
    """Return the generator of a row, on the CPU so that all devices draw the same numbers."""
    return torch.Generator(device="cpu").manual_seed(seed)


def uniform(generator: torch.Generator) -> float:
    """Return the next uniform number of a row's generator, in [0, 1)."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))


def draw_tokens(
    logits: torch.Tensor,
    temperatures: torch.Tensor,
    top_ps: torch.Tensor,
    uniforms: torch.Tensor,
) -> torch.Tensor:
    """Draw one token for each row by inverse transform sampling.

    All arguments are on the same device.

    Args:
        logits: Shape [rows, vocabulary], float32; -inf for a token that is not allowed.
        temperatures: Shape [rows]; 0 takes the most likely token.
        top_ps: Shape [rows], in (0, 1]; a row draws from the smallest set of most likely tokens
            whose probability reaches this value (nucleus sampling).
        uniforms: Shape [rows], float64, in [0, 1); see `uniform`.

    Returns:
        Token ids, shape [rows], int64.
    """
    greedy = temperatures == 0
    scaled = logits / torch.where(greedy, 1.0, temperatures).unsqueeze(1)
    probabilities = torch.softmax(scaled, dim=-1)
    if bool((top_ps < 1).any()):
        ordered, ids = _most_likely(probabilities, top_ps)
        cumulative = ordered.double().cumsum(dim=-1)
        outside = cumulative - ordered.double() >= top_ps.double().unsqueeze(1)
        cumulative = ordered.double().masked_fill(outside, 0).cumsum(dim=-1)
        drawn = ids.gather(1, _first_above(cumulative, uniforms)).squeeze(1)
    else:
        drawn = _first_above(probabilities.double().cumsum(dim=-1), uniforms).squeeze(1)
    return torch.where(greedy, logits.argmax(dim=-1), drawn)


def token_logprobs(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of one token of each row, at temperature 1.

    Args:
        logits: Shape [rows, vocabulary], float32, as the model computed them.
        tokens: Token ids, shape [rows], int64, on the same device.

    Returns:
        Natural logarithms, shape [rows], float32.
    """
    own = logits.gather(1, tokens.unsqueeze(1)).squeeze(1)
    return own - logits.logsumexp(dim=-1)


def _most_likely(
    probabilities: torch.Tensor, top_ps: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities and ids in descending order, enough of them for each nucleus."""
    vocabulary = probabilities.shape[-1]
    ordered, ids = torch.topk(probabilities, min(CANDIDATES, vocabulary), dim=-1)
    if ids.shape[-1] < vocabulary and bool((ordered.sum(dim=-1) < top_ps).any()):
        ordered, ids = torch.sort(probabilities, dim=-1, descending=True, stable=True)
    return ordered, ids


def _first_above(cumulative: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Return for each row the first index whose cumulative mass exceeds its share of the total."""
    total = cumulative[:, -1:]
    target = torch.minimum(
        uniforms.double().unsqueeze(1) * total, torch.nextafter(total, torch.zeros_like(total))
    )
    return (cumulative > target).int().argmax(dim=-1, keepdim=True)

"""Drawing the next token, one random stream a row.

Transformers' `generate` draws from one generator for the whole batch, so a row's text
would depend on its neighbours' randomness. Here every row has a generator of its own,
seeded by its request, and spends exactly one uniform number a token: the token is where
that number falls in the cumulative distribution (inverse transform sampling).
"""

from __future__ import annotations

import torch

# Enough for a nucleus of 0.95 of any but flat distributions, and much cheaper than a sort.
CANDIDATES = 1024


def row_generator(seed: int) -> torch.Generator:
    """Return a row's random stream; on the CPU, so that all devices draw the same numbers."""
    return torch.Generator(device="cpu").manual_seed(seed)


def uniform(generator: torch.Generator) -> float:
    """Return the next number of a row's stream, in [0, 1)."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))


def draw_tokens(
    logits: torch.Tensor,
    temperatures: torch.Tensor,
    top_ps: torch.Tensor,
    uniforms: torch.Tensor,
) -> torch.Tensor:
    """Return one token id a row: shape [rows], from logits [rows, vocabulary].

    Temperature 0 takes the likeliest token. `top_ps` keep the smallest set of likeliest
    tokens that reaches that probability. All arguments lie on one device; logits are
    float32 and may hold -inf for tokens that are not allowed.
    """
    greedy = temperatures == 0
    scaled = logits / torch.where(greedy, 1.0, temperatures).unsqueeze(1)
    probabilities = torch.softmax(scaled, dim=-1)
    if bool((top_ps < 1).any()):
        ordered, ids = _likeliest(probabilities, top_ps)
        cumulative = ordered.double().cumsum(dim=-1)
        outside = cumulative - ordered.double() >= top_ps.double().unsqueeze(1)
        cumulative = ordered.double().masked_fill(outside, 0).cumsum(dim=-1)
        drawn = ids.gather(1, _first_above(cumulative, uniforms)).squeeze(1)
    else:
        drawn = _first_above(probabilities.double().cumsum(dim=-1), uniforms).squeeze(1)
    return torch.where(greedy, logits.argmax(dim=-1), drawn)


def _likeliest(
    probabilities: torch.Tensor, top_ps: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities and ids, likeliest first: enough of them to hold every nucleus."""
    vocabulary = probabilities.shape[-1]
    ordered, ids = torch.topk(probabilities, min(CANDIDATES, vocabulary), dim=-1)
    if ids.shape[-1] < vocabulary and bool((ordered.sum(dim=-1) < top_ps).any()):
        ordered, ids = torch.sort(probabilities, dim=-1, descending=True, stable=True)
    return ordered, ids


def _first_above(cumulative: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Return, a row, the first index whose cumulative mass exceeds its share of the total."""
    total = cumulative[:, -1:]
    target = torch.minimum(
        uniforms.double().unsqueeze(1) * total, torch.nextafter(total, torch.zeros_like(total))
    )
    return (cumulative > target).int().argmax(dim=-1, keepdim=True)

"""How many tokens a micro-batch has on a GPU, and whether its activations are computed twice.

The backward pass needs the activations of all layers. They may be kept, or each layer's may be
computed a second time. The second way saves most of the memory and costs a third of the speed. So
activations are kept if those of enough tokens to keep a GPU busy fit, even if the micro-batch then
has fewer tokens. The decision changes no result: a second computation has the same dropout.

The estimate counts what PyTorch keeps for LoRA on all linear layers of a frozen model. Unit tests
compare it with the tensors that PyTorch really keeps. If it is too low, the training runs out of
memory, and the next attempt computes activations twice and halves the tokens (`machine.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FEWEST_TOKENS = 2048
"""Enough tokens for matrix products whose speed depends on computing, not on reading weights."""
_USABLE = 0.85
"""The share of the free memory that is planned. The rest is for fragmentation and libraries."""
_MASK = 1
"""Bytes of an element of a dropout mask on a GPU."""
_FLOAT32 = 4
_OPTIMIZER = 4 * _FLOAT32
"""Bytes of each trained weight: its gradient, Adam's two averages, and a temporary value."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes that the activations of a model depend on, in elements of one token.

    `attention` is the size of the queries of all heads. `intermediate` is the size between the
    linear layers of an MLP, or of all experts that a token uses. `scores` is the number of heads
    whose attention scores are kept, which is 0 if the attention never holds all scores.
    """

    layers: int
    hidden: int
    attention: int
    intermediate: int
    vocabulary: int
    scores: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a device that a training can use, in bytes.

    `free` is what is free after the model has been loaded. `trained` is the number of elements of
    the adapter. `rebuilt` are the bytes of the weights that the adapter changes as parameters, such
    as experts: each layer's sum of weight and adapter is kept like an activation. `gathered` are
    the bytes of the layers that a process holds completely while the model is sharded.
    """

    free: int
    trained: int = 0
    rebuilt: int = 0
    gathered: int = 0


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The maximum number of tokens of a micro-batch, and whether activations are computed twice."""

    tokens_at_once: int
    recomputes: bool


def plan_memory(
    shape: ModelShape,
    memory: Memory,
    *,
    longest: int,
    most: int,
    element: int = 2,
    always_recompute: bool = False,
) -> MemoryPlan:
    """Decide how a training uses the memory of its device.

    Args:
        shape: The sizes of the model.
        memory: The memory of the device.
        longest: The tokens of the longest row, which cannot be divided.
        most: The maximum number of tokens of a micro-batch. Only its halves, quarters and so on are
            considered besides.
        element: Bytes of an activation: 2 for bfloat16 and float16, 4 for float32.
        always_recompute: Whether activations are computed twice even if they fit.

    Returns:
        The plan. If not even the longest row fits, the plan is to compute activations twice, with
        one row at a time.
    """
    for recomputes in (True,) if always_recompute else (False, True):
        fewest = longest if recomputes else max(longest, min(FEWEST_TOKENS, most))
        tokens = most
        while True:
            needed = needed_bytes(shape, memory, max(tokens, longest), element, recomputes)
            if needed <= memory.free * _USABLE:
                return MemoryPlan(tokens, recomputes)
            if tokens // 2 < fewest:
                break
            tokens //= 2
    return MemoryPlan(min(most, longest), recomputes=True)


def needed_bytes(
    shape: ModelShape, memory: Memory, tokens: int, element: int, recomputes: bool
) -> int:
    """Return the memory that one micro-batch needs in addition to the loaded model.

    Args:
        shape: The sizes of the model.
        memory: The memory of the device, without `free`.
        tokens: The tokens of the micro-batch, all of which may have a label.
        element: Bytes of an activation.
        recomputes: Whether activations are computed twice.
    """
    layer = tokens * layer_bytes(shape, element) + 3 * _FLOAT32 * shape.scores * tokens**2
    # Logits and their gradient; in float32 also the logits, their softmax and its gradient.
    head = tokens * shape.vocabulary * (2 * element + 3 * _FLOAT32)
    always = head + memory.trained * _OPTIMIZER + memory.gathered
    if not recomputes:
        return always + shape.layers * layer + memory.rebuilt
    inputs = shape.layers * tokens * element * shape.hidden
    return always + inputs + layer + memory.rebuilt // shape.layers


def layer_bytes(shape: ModelShape, element: int, mask: int = _MASK) -> int:
    """Return the bytes that a layer keeps for the backward pass of one token.

    These are the inputs of the two norms in float32; for each adapted layer its input with dropout
    and the mask; queries, keys, values and output of the attention; and gate, activated gate and
    product of the MLP. A frozen linear layer keeps no input.

    Args:
        shape: The sizes of the model.
        element: Bytes of an activation.
        mask: Bytes of an element of a dropout mask.
    """
    hidden, attention, intermediate = shape.hidden, shape.attention, shape.intermediate
    norms = 2 * _FLOAT32 * hidden
    adapted = (element + mask) * (5 * hidden + attention + intermediate)
    return norms + adapted + element * (4 * attention + 3 * intermediate)


def shape_of(config: Any) -> ModelShape:
    """Return the sizes of a model from its configuration in Transformers."""
    text = config.get_text_config()
    hidden = int(text.hidden_size)
    heads = getattr(text, "num_attention_heads", None) or 1
    # Models with compressed keys name the size of their heads in another way.
    size = getattr(text, "qk_head_dim", None) or getattr(text, "head_dim", None) or hidden // heads
    return ModelShape(
        layers=int(text.num_hidden_layers),
        hidden=hidden,
        attention=int(heads * size),
        intermediate=_intermediate(text, hidden),
        vocabulary=int(text.vocab_size),
        scores=int(heads) if config._attn_implementation == "eager" else 0,
    )


def _intermediate(text: Any, hidden: int) -> int:
    dense = _largest(getattr(text, "intermediate_size", None)) or 4 * hidden
    chosen = _largest(getattr(text, "num_experts_per_tok", None))
    if not chosen:
        return dense
    expert = _largest(getattr(text, "moe_intermediate_size", None)) or dense
    shared = (
        _largest(getattr(text, "shared_expert_intermediate_size", None))
        or _largest(getattr(text, "n_shared_experts", None)) * expert
    )
    # Each expert also gets its own copy of the token.
    return max(dense, chosen * (expert + hidden) + shared)


def _largest(value: int | Sequence[int] | None) -> int:
    """Return the largest size of the layers; some configurations have one number for each layer."""
    if value is None:
        return 0
    return int(value) if isinstance(value, int) else max((int(size) for size in value), default=0)

"""docs/how-to/size-a-run.md: the table follows from the sizes of the models and the memory plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from isheep_worker.training.memory_plan import _USABLE, Memory, ModelShape, needed_bytes

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/how-to/size-a-run.md").read_text("utf-8")
GB = 10**9
BFLOAT16 = 2
RANK = 8
TOKENS = 2048
SEQUENCES = 16
ENGINE_SHARE = 0.9
"""The share of a GPU's memory that vLLM uses."""


@dataclass(frozen=True)
class Model:
    """The sizes of a model of the family Qwen2.5, from its config.json."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head: int
    intermediate: int
    vocabulary: int
    tied: bool = False

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """The linear layers of one layer, as inputs and outputs."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        return [
            (self.hidden, queries),
            (self.hidden, keys),
            (self.hidden, keys),
            (queries, self.hidden),
            (self.hidden, self.intermediate),
            (self.hidden, self.intermediate),
            (self.intermediate, self.hidden),
        ]

    @property
    def weights(self) -> int:
        """Bytes of the weights in bfloat16."""
        inside = self.layers * sum(a * b for a, b in self.matrices)
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return BFLOAT16 * (inside + embeddings)

    @property
    def cache(self) -> int:
        """Bytes of the keys and values of one token."""
        return BFLOAT16 * 2 * self.layers * self.kv_heads * self.head

    @property
    def adapter(self) -> int:
        """Weights of an adapter on all linear layers."""
        return self.layers * sum(RANK * (a + b) for a, b in self.matrices)

    def training(self, tokens: int, *, recomputes: bool) -> float:
        """Bytes of a GPU that trains the model with micro-batches of `tokens` tokens."""
        shape = ModelShape(
            layers=self.layers,
            hidden=self.hidden,
            attention=self.heads * self.head,
            intermediate=self.intermediate,
            vocabulary=self.vocabulary,
        )
        memory = Memory(free=0, trained=self.adapter)
        return self.weights + needed_bytes(shape, memory, tokens, BFLOAT16, recomputes) / _USABLE

    @property
    def row(self) -> str:
        inference = (self.weights + SEQUENCES * TOKENS * self.cache) / ENGINE_SHARE
        figures = (
            self.weights,
            inference,
            self.training(TOKENS // 2, recomputes=True),
            self.training(TOKENS, recomputes=False),
        )
        cells = [
            f"{figure / GB:,.1f} GB" if figure < 10 * GB else f"{figure / GB:,.0f} GB"
            for figure in figures
        ]
        return f"| {self.name} | {' | '.join(cells)} |"


MODELS = (
    Model("0.5B", 24, 896, 14, 2, 64, 4864, 151936, tied=True),
    Model("1.5B", 28, 1536, 12, 2, 128, 8960, 151936, tied=True),
    Model("7B", 28, 3584, 28, 4, 128, 18944, 152064),
    Model("14B", 48, 5120, 40, 8, 128, 13824, 152064),
    Model("32B", 64, 5120, 40, 8, 128, 27648, 152064),
    Model("72B", 80, 8192, 64, 8, 128, 29568, 152064),
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_table_has_the_row_of_a_model(model: Model) -> None:
    assert model.row in PAGE.splitlines()


def test_the_page_has_the_size_of_an_adapter() -> None:
    (model,) = (model for model in MODELS if model.name == "7B")
    assert f"{4 * model.adapter / 10**6:.0f} MB for 7B with rank 8" in PAGE

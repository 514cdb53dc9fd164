"""What every stage of a run is built from: its spec, what prepare found, and who M(t) is."""

from __future__ import annotations

from dataclasses import dataclass

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared
from isheep.recipes import settings as s

Inputs = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run whose inputs prepare has resolved."""

    spec: SelfAlignmentRunSpec
    prepared: Prepared

    @property
    def merges(self) -> bool:
        """Whether M(t) is handed over as full weights, and not as an adapter beside M(0)."""
        return self.spec.training.handover == "Merged"

    def model_of(self, t: int) -> str:
        """Return the id of the stage that leaves M(t), merged or as an adapter; "" for M(0)."""
        if t == 0:
            return ""
        return f"i{t}/merge" if self.merges else f"i{t}/train"

    def model_settings(self, model: str) -> s.ModelSettings:
        """Return how the model that a stage left ("" for M(0)) is loaded."""
        prepared = self.prepared
        return s.ModelSettings(
            base_model=prepared.model_digest,
            engine=prepared.engine,
            dtype=prepared.dtype,
            max_model_length=prepared.max_model_length,
            handover=self.spec.training.handover if model else None,
            chat_format=prepared.chat_format.digest,
        )


def with_model(model: str, **inputs: tuple[str, ...]) -> Inputs:
    """Return a stage's inputs, the stage whose model it loads among them."""
    return {**inputs, "model": (model,)} if model else dict(inputs)


def sampling(spec: object) -> s.Sampling:
    """Return one of the spec's samplings as a setting."""
    return s.Sampling.model_validate(spec, from_attributes=True)


def response_format(wanted: str, t: int) -> s.PromptFormat:
    """Return how M(t-1) is asked in iteration t; training for t asks for t + 1's."""
    if wanted == "RawThenChat":
        return "Raw" if t == 1 else "Chat"
    return "Raw" if wanted == "Raw" else "Chat"

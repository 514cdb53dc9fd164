"""The run from which every stage is built: its spec, the result of prepare, and its models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import PromptFormat, ResponsePromptFormat
from isheep.contract.prepared import Prepared
from isheep.recipes import settings as s

Inputs = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run with the result of its prepare stage.

    `writers` has, for iterations 1, 2, …, the t of the model that writes the iteration. M(t-1)
    writes the iterations that it does not contain.
    """

    spec: SelfAlignmentRunSpec
    prepared: Prepared
    writers: tuple[int, ...] = ()

    @property
    def merges(self) -> bool:
        """Whether the next iteration loads M(t) as full weights and not as an adapter on M(0)."""
        return self.spec.training.handover == "Merged"

    def model_of(self, t: int) -> str:
        """Return the id of the stage whose output is M(t), merged or as an adapter; "" for M(0)."""
        if t == 0:
            return ""
        return f"i{t}/merge" if self.merges else f"i{t}/train"

    def writer_of(self, t: int) -> int:
        """Return the t of the model that writes iteration t; t - 1 unless the run rolled back."""
        return self.writers[t - 1] if t <= len(self.writers) else t - 1

    def writing_model(self, t: int) -> str:
        """Return the id of the stage whose output is the model that writes iteration t."""
        return self.model_of(self.writer_of(t))

    def lineage(self, t: int) -> list[int]:
        """Return the iterations that M(t) comes from, 1 to t unless the run rolled back."""
        found = []
        while t > 0:
            found.append(t)
            t = self.writer_of(t)
        return found[::-1]

    @property
    def response_chat_format(self) -> str:
        """The digest of the chat format for responses and for their training."""
        prepared = self.prepared
        return prepared.thinking_chat_format or prepared.chat_format.digest

    def model_settings(self, model: str, chat_format: str | None = None) -> s.ModelSettings:
        """Return the settings for loading the model of a stage ("" for M(0)).

        `chat_format` is the digest of the chat format, None for the one without thoughts.
        """
        prepared = self.prepared
        return s.ModelSettings(
            base_model=prepared.model_digest,
            engine=prepared.engine,
            dtype=prepared.dtype,
            max_model_length=prepared.max_model_length,
            handover=self.spec.training.handover if model else None,
            chat_format=chat_format or prepared.chat_format.digest,
        )


def with_model(model: str, **inputs: tuple[str, ...]) -> Inputs:
    """Return the inputs of a stage, with the stage whose model it loads, if any."""
    return {**inputs, "model": (model,)} if model else dict(inputs)


def sampling(spec: object) -> s.Sampling:
    """Return a sampling of the spec as settings."""
    return s.Sampling.model_validate(spec, from_attributes=True)


def kept_if_cut(spec: SelfAlignmentRunSpec) -> Literal["Keep"] | None:
    """Return the setting for responses that ended by length; None means that they are dropped."""
    return "Keep" if spec.responses.cut == "Keep" else None


def kept_thoughts(spec: SelfAlignmentRunSpec) -> Literal["Keep"] | None:
    """Return the setting for thoughts in responses; None means that they are removed."""
    return "Keep" if spec.responses.thinking == "Keep" else None


def response_format(wanted: ResponsePromptFormat, t: int) -> PromptFormat:
    """Return the format of the prompt in which M(t) responds, and is trained to respond (§3.1)."""
    if wanted == "RawThenChat":
        return "Raw" if t == 0 else "Chat"
    return wanted

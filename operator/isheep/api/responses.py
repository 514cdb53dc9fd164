"""How the model answers the instructions that it wrote (§3.1)."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import SpecModel
from isheep.api.sampling import ResponseSampling
from isheep.contract.choices import FaultyResponses, ResponsePromptFormat, Thinking


class Responses(SpecModel):
    """How the prompt for a response looks. Training uses the format of the next iteration."""

    prompt_format: ResponsePromptFormat = Field(
        default="RawThenChat",
        description=(
            "Format of the prompt: raw text in iteration 1 and the chat template afterwards (§3.1; "
            "RawThenChat), always raw text (Raw), or always the chat template (Chat)."
        ),
    )
    sampling: ResponseSampling = Field(
        default=ResponseSampling(), description="How responses are sampled."
    )
    cut: FaultyResponses = Field(
        default="Drop",
        description=(
            "What happens to a response that ended at sampling.maxTokens: the rule `cut` drops and "
            "counts it (Drop), or it is kept, and training leaves out the end of its turn (Keep)."
        ),
    )
    thinking: Thinking = Field(
        default="Remove",
        description=(
            "What happens to the thoughts that a model writes before its answer, such as "
            "`<think>…</think>`. Remove asks for an answer without thoughts and removes a block of "
            "thoughts before the answer. Keep asks for thoughts and leaves them in the response, "
            "which is trained and exported; the rules and the assessor see the answer only. "
            "Thoughts count for sampling.maxTokens. Keep needs promptFormat Chat in iteration 1 if "
            "the base model thinks in its chat template only."
        ),
    )

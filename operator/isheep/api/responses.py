"""How the model answers the instructions that it wrote (§3.1)."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import SpecModel
from isheep.api.sampling import ResponseSampling
from isheep.contract.choices import CutResponses, ResponsePromptFormat


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
    cut: CutResponses = Field(
        default="Drop",
        description=(
            "What happens to a response that ended at sampling.maxTokens: the rule `cut` drops and "
            "counts it (Drop), or it is kept, and training leaves out the end of its turn (Keep)."
        ),
    )

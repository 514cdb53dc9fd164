"""How the model answers the instructions that it wrote (§3.1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import SpecModel
from isheep.api.sampling import ResponseSampling


class Responses(SpecModel):
    """How responses are asked for; training uses the format of the next iteration."""

    prompt_format: Literal["RawThenChat", "Raw", "Chat"] = Field(
        default="RawThenChat",
        description=(
            "Raw text in iteration 1 and the chat template afterwards (§3.1), or one of the two "
            "throughout."
        ),
    )
    sampling: ResponseSampling = Field(
        default=ResponseSampling(), description="How responses are drawn."
    )

"""What the recipe Dromedary alone asks for: how much each step of SELF-ALIGN makes."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Integer, SpecModel


class Dromedary(SpecModel):
    """The counts of SELF-ALIGN's four steps, besides `instructions.count`."""

    topics: Integer = Field(
        default=1000,
        ge=1,
        le=100000,
        description=(
            "Step 1: topics that the model makes up, besides the seed topics, before it writes "
            "instructions about them."
        ),
    )
    topic_guided: Integer = Field(
        default=4000,
        ge=0,
        le=1000000,
        description=(
            "Step 1: instructions accepted of topic-guided red-teaming, in addition to the "
            "`instructions.count` from seed tasks; 0 leaves red-teaming out."
        ),
    )
    exemplars: Integer = Field(
        default=5,
        ge=1,
        le=16,
        description=(
            "Step 2: worked examples with private thoughts shown after the principles; the first "
            "so many of the template dromedary-exemplars."
        ),
    )
    verbose: Integer | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description=(
            "Step 4: instructions, drawn from all of step 1, that the engraved model answers once "
            "more at length; absent or above what there is: all."
        ),
    )

"""How the model scores its own pairs (§3.2)."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Integer, SpecModel
from isheep.api.sampling import AssessmentSampling
from isheep.contract.choices import (
    EXPLANATIONS,
    AssessmentPromptFormat,
    Assessor,
    Decoding,
    ExampleOrder,
    Level,
    Parsing,
    Rubric,
    Scoring,
)


class Assessment(SpecModel):
    """The model that scores, its prompt, and the form of the score (§3.2)."""

    levels: tuple[Level, ...] = Field(
        default=("Quality", "Following"),
        min_length=1,
        max_length=2,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description=(
            "The scores of a pair, each from its own prompt: the quality of the response (Quality) "
            "and how well it follows the instruction (Following)."
        ),
    )
    rubric: Rubric = Field(
        default="Combined",
        description=(
            "The assessor's prompt. Simple asks for a score. Combined adds the criteria verbosity, "
            "format and ambiguity (the paper's main tables). InContext shows three worked examples."
        ),
    )
    assessor: Assessor = Field(
        default="Previous",
        description=(
            "The model that scores in iteration t: M(t-1), as in Algorithm 1 (Previous), M(0), as "
            "in the released scripts (Base), or the model of `spec.judge` (Judge)."
        ),
    )
    scoring: Scoring = Field(
        default="Sampled",
        description=(
            "How a score is computed. Sampled generates the score as text and parses it. Expected "
            "computes the expectation over the probabilities of ten labels from one prefill, a "
            "fraction from 1 to 10. prepare chooses the labels that the model's tokenizer allows."
        ),
    )
    decoding: Decoding = Field(
        default="Free",
        description=(
            "How a sampled assessment is generated: as free text (Free), or in the form of a score "
            "by structured outputs (Constrained), which small models need."
        ),
    )
    parsing: Parsing = Field(
        default="Tolerant",
        description=(
            "How a sampled score is read from the assessor's answer. Strict is the rule of the "
            "released scripts: the number at the start. Tolerant also reads forms such as "
            "`Score: 9/10`, `**9**` and `[[9]]`, and drops a pair if the number can have another "
            "meaning, as in `8-9` or `3 of the 5 facts`. Both round 8.5 to 8, as the scripts do."
        ),
    )
    explanations: Integer = Field(
        default=EXPLANATIONS,
        ge=0,
        le=1000,
        description=(
            "Number of pairs, from the first on, whose sampled answers contain the explanation "
            "after the score. The report shows them. All other answers stop at the separator `||`, "
            "if the rubric asks for it, which saves most of the tokens. The scores do not change."
        ),
    )
    example_order: ExampleOrder = Field(
        default="Fixed",
        description=(
            "The order of InContext's worked examples: the paper's (Fixed), or a random order for "
            "each pair (Shuffled). With Shuffled, the report shows the mean score of each order."
        ),
    )
    compare: Integer | None = Field(
        default=None,
        ge=1,
        le=100000,
        description=(
            "Number of pairs, from the first on, that each iteration also scores in the other way "
            "(Expected if scoring is Sampled, and Sampled if scoring is Expected). The report "
            "shows how well both agree. The selection ignores these scores. If absent: none."
        ),
    )
    controls: Integer | None = Field(
        default=None,
        ge=50,
        le=1000,
        description=(
            "Number of scored pairs that each iteration scores again after damage to the response: "
            "the response to another instruction, a repeated half, a cut half, a missing last "
            "sentence, or a wrong number. The report shows how often the pair has the higher "
            "score, which is 0.5 for scores without meaning. The selection ignores these scores. "
            "If absent: none."
        ),
    )
    anchors: Integer | None = Field(
        default=None,
        ge=50,
        le=1000,
        description=(
            "Number of pairs of the first iteration that the assessor of each later iteration "
            "scores again. The report compares both scores of the same pairs, which shows whether "
            "the assessor has become more lenient, and the rule LenientAssessor of the guards "
            "reads them. The selection ignores these scores. If absent: none."
        ),
    )
    prompt_format: AssessmentPromptFormat = Field(
        default="Auto",
        description=(
            "Format of the assessor's prompt. Auto is raw text for M(0), and the chat template for "
            "other models."
        ),
    )
    sampling: AssessmentSampling = Field(
        default=AssessmentSampling(), description="How assessments are sampled."
    )

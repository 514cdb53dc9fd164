"""The validation rules of the judge that the fields of the whole spec decide together.

An endpoint gets a chat and answers with text. It gives no probabilities of chosen tokens, and no
form of a score that holds for every server. So a run that needs one of them is refused here.
"""

from __future__ import annotations

from isheep.api.validation_rule import ValidationRule

_BY_ENDPOINT = "self.assessment.assessor == 'Judge' && has(self.judge) && has(self.judge.endpoint)"
"""In CEL: an endpoint scores the pairs."""

JUDGE_RULES: tuple[ValidationRule, ...] = (
    ValidationRule(
        "self.assessment.assessor != 'Judge' || has(self.judge)",
        "assessment.assessor is Judge, and the run has no judge: set judge.model or "
        "judge.endpoint, or assessor to Previous or Base",
        "assessment.assessor",
    ),
    ValidationRule(
        f"!({_BY_ENDPOINT}) || self.assessment.scoring == 'Sampled'",
        "scoring Expected needs the probabilities of ten labels, which an endpoint does not give: "
        "set scoring to Sampled, or use judge.model",
        "assessment.scoring",
    ),
    ValidationRule(
        f"!({_BY_ENDPOINT}) || !has(self.assessment.compare)",
        "compare needs the probabilities of ten labels, which an endpoint does not give: remove "
        "compare, or use judge.model",
        "assessment.compare",
    ),
    ValidationRule(
        "!has(self.assessment.anchors) || self.assessment.assessor != 'Judge' "
        "|| !has(self.judge) || !has(self.judge.model)",
        "anchors show a change of the assessor, and judge.model is the same model in each "
        "iteration: remove anchors, or set assessor to Previous",
        "assessment.anchors",
    ),
    ValidationRule(
        f"!({_BY_ENDPOINT}) || self.assessment.decoding == 'Free'",
        "decoding Constrained needs a form for answers, which not every endpoint has: set decoding "
        "to Free, or use judge.model",
        "assessment.decoding",
    ),
    ValidationRule(
        f"!({_BY_ENDPOINT}) || self.assessment.promptFormat != 'Raw'",
        "an endpoint gets its prompts as a chat: set promptFormat to Auto or Chat, or use "
        "judge.model",
        "assessment.promptFormat",
    ),
    ValidationRule(
        "!has(self.judge) || !has(self.judge.model) || !has(self.judge.model.secretRef) "
        "|| has(self.model.secretRef) "
        "&& self.judge.model.secretRef.name == self.model.secretRef.name",
        "a pod has one token for the hub, that of model.secretRef: name the same Secret there and "
        "here, with a token that may read both models, or remove this one",
        "judge.model.secretRef",
    ),
)
"""The rules of the whole spec."""

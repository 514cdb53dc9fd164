"""Affinity of pods, with Kubernetes' own fields, typed so that a misspelt field is refused.

The limits are far below those of Kubernetes, because they multiply: `tests/unit/isheep/api/
test_size.py` computes the largest run.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isheep.api.base import KEY_CHARACTERS, Integer, LabelValue, Map, SpecModel, Text
from isheep.api.written_limits import Most

Key = Annotated[Text, Field(min_length=1), Most(KEY_CHARACTERS, r"^[-A-Za-z0-9_./]+$")]
Value = Annotated[Text, Most(63, r"^[-A-Za-z0-9_.]*$")]
NodeValues = Annotated[tuple[Value, ...], Most(10)]
PodValues = Annotated[tuple[Value, ...], Most(5)]
Weight = Annotated[Integer, Field(ge=1, le=100)]


class NodeRequirement(SpecModel):
    """A condition on the labels or fields of a node."""

    key: Key = Field(description="Label or field of the node.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="Relation between the value of the node and `values`."
    )
    values: NodeValues = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Values for In and NotIn, one number for Gt and Lt, none otherwise.",
    )


Requirements = Annotated[tuple[NodeRequirement, ...], Most(4)]
FieldRequirements = Annotated[tuple[NodeRequirement, ...], Most(1)]


class NodeSelectorTerm(SpecModel):
    """Conditions that a node must all meet."""

    match_expressions: Requirements = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Conditions on the labels of the node.",
    )
    match_fields: FieldRequirements = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="A condition on a field of the node; Kubernetes knows metadata.name only.",
    )


class NodeSelector(SpecModel):
    """Terms of which a node must meet at least one."""

    node_selector_terms: Annotated[tuple[NodeSelectorTerm, ...], Most(4)] = Field(
        min_length=1,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Terms of which a node must meet at least one.",
    )


class PreferredNodes(SpecModel):
    """A preference for nodes, with a weight."""

    weight: Weight = Field(description="Weight of the preference, compared with the others.")
    preference: NodeSelectorTerm = Field(description="Conditions that a preferred node meets.")


class NodeAffinity(SpecModel):
    """The nodes that a pod must or should run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None,
        description="Conditions that a node must meet; otherwise the pod is not scheduled.",
    )
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNodes, ...], Most(2)
    ] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Preferences for nodes.",
    )


class LabelRequirement(SpecModel):
    """A condition on the labels of an object."""

    key: Key = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="Relation between the value of the label and `values`."
    )
    values: PodValues = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Values for In and NotIn, none otherwise.",
    )


class LabelSelector(SpecModel):
    """A selection of objects by their labels; an object must meet all conditions."""

    match_labels: Annotated[Map[LabelValue], Most(4)] = Field(
        default_factory=dict,
        description="Labels with the values that they must have.",
    )
    match_expressions: Annotated[tuple[LabelRequirement, ...], Most(2)] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Other conditions on labels.",
    )


class PodAffinityTerm(SpecModel):
    """Pods that a pod must or should be near to, or far from."""

    label_selector: LabelSelector | None = Field(default=None, description="Labels of these pods.")
    namespace_selector: LabelSelector | None = Field(
        default=None,
        description="Namespaces of these pods, by labels. If absent: the namespace of the run.",
    )
    namespaces: PodValues = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Namespaces of these pods, by name.",
    )
    topology_key: Key = Field(
        description=(
            "Label of nodes. Two pods are near each other if their nodes have the same value."
        )
    )


class PreferredPods(SpecModel):
    """A preference for pods, with a weight."""

    weight: Weight = Field(description="Weight of the preference, compared with the others.")
    pod_affinity_term: PodAffinityTerm = Field(description="The pods that are preferred.")


class PodAffinity(SpecModel):
    """The pods that a pod must or should be near to, or far from."""

    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodAffinityTerm, ...], Most(2)
    ] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Terms that must all be met; otherwise the pod is not scheduled.",
    )
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredPods, ...], Most(1)
    ] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Preferences for pods.",
    )


class Affinity(SpecModel):
    """Rules for the placement of pods."""

    node_affinity: NodeAffinity | None = Field(
        default=None, description="The nodes that pods must or should run on."
    )
    pod_affinity: PodAffinity | None = Field(
        default=None, description="The pods that they must or should be near to."
    )
    pod_anti_affinity: PodAffinity | None = Field(
        default=None, description="The pods that they must or should be far from."
    )

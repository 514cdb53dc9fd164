"""Affinity of pods, with Kubernetes' own fields, typed so that a misspelt field is refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isheep.api.base import Integer, LabelValue, Map, SpecModel, Text

Key = Annotated[Text, Field(min_length=1, max_length=317)]
Value = Annotated[Text, Field(max_length=253)]
Values = Annotated[tuple[Value, ...], Field(max_length=64)]
Weight = Annotated[Integer, Field(ge=1, le=100)]


class NodeRequirement(SpecModel):
    """A condition on the labels or fields of a node."""

    key: Key = Field(description="Label or field of the node.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="Relation between the value of the node and `values`."
    )
    values: Values = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Values for In and NotIn, one number for Gt and Lt, none otherwise.",
    )


Requirements = Annotated[tuple[NodeRequirement, ...], Field(max_length=16)]


class NodeSelectorTerm(SpecModel):
    """Conditions that a node must all meet."""

    match_expressions: Requirements = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Conditions on the labels of the node.",
    )
    match_fields: Requirements = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Conditions on the fields of the node.",
    )


class NodeSelector(SpecModel):
    """Terms of which a node must meet at least one."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = Field(
        min_length=1,
        max_length=16,
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
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNodes, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Preferences for nodes.",
    )


class LabelRequirement(SpecModel):
    """A condition on the labels of an object."""

    key: Key = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="Relation between the value of the label and `values`."
    )
    values: Values = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Values for In and NotIn, none otherwise.",
    )


class LabelSelector(SpecModel):
    """A selection of objects by their labels; an object must meet all conditions."""

    match_labels: Map[LabelValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Labels with the values that they must have.",
    )
    match_expressions: tuple[LabelRequirement, ...] = Field(
        default=(),
        max_length=16,
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
    namespaces: Values = Field(
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

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Terms that must all be met; otherwise the pod is not scheduled.",
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredPods, ...] = Field(
        default=(),
        max_length=16,
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

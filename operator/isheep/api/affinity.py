"""Affinity of pods, typed: Kubernetes' own fields, so that a misspelt one is refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isheep.api.base import Integer, LabelValue, Map, SpecModel, Text

Key = Annotated[Text, Field(min_length=1, max_length=317)]
Value = Annotated[Text, Field(max_length=253)]
Values = Annotated[tuple[Value, ...], Field(max_length=64)]
Weight = Annotated[Integer, Field(ge=1, le=100)]


class NodeRequirement(SpecModel):
    """One condition on a node's labels or fields."""

    key: Key = Field(description="Label of the node.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How the label's value and `values` must relate."
    )
    values: Values = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Values for In and NotIn, one number for Gt and Lt, none otherwise.",
    )


Requirements = Annotated[tuple[NodeRequirement, ...], Field(max_length=16)]


class NodeSelectorTerm(SpecModel):
    """Conditions that must all hold."""

    match_expressions: Requirements = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Conditions on labels.",
    )
    match_fields: Requirements = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Conditions on fields.",
    )


class NodeSelector(SpecModel):
    """Terms of which one must hold."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = Field(
        min_length=1,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Terms of which one must hold.",
    )


class PreferredNodes(SpecModel):
    """Nodes that are preferred by a weight."""

    weight: Weight = Field(description="Weight among the preferences.")
    preference: NodeSelectorTerm = Field(description="The nodes preferred.")


class NodeAffinity(SpecModel):
    """Which nodes a pod may or should run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Nodes without which a pod is not scheduled."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNodes, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Nodes that are preferred.",
    )


class LabelRequirement(SpecModel):
    """One condition on an object's labels."""

    key: Key = Field(description="Label of the object.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label's value and `values` must relate."
    )
    values: Values = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Values for In and NotIn, none otherwise.",
    )


class LabelSelector(SpecModel):
    """Objects by their labels; all conditions must hold."""

    match_labels: Map[LabelValue] = Field(
        default_factory=dict, max_length=16, description="Labels and the values they must have."
    )
    match_expressions: tuple[LabelRequirement, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Further conditions.",
    )


class PodAffinityTerm(SpecModel):
    """Pods near which, or far from which, a pod goes."""

    label_selector: LabelSelector | None = Field(default=None, description="Which pods.")
    namespace_selector: LabelSelector | None = Field(
        default=None, description="In which namespaces, by labels; absent: the run's own."
    )
    namespaces: Values = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="In which namespaces, by name.",
    )
    topology_key: Key = Field(description="Node label that says what near means.")


class PreferredPods(SpecModel):
    """Pods that are preferred by a weight."""

    weight: Weight = Field(description="Weight among the preferences.")
    pod_affinity_term: PodAffinityTerm = Field(description="The pods.")


class PodAffinity(SpecModel):
    """Which pods a pod must or should be near to, or far from."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Terms that must hold.",
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredPods, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Terms that should hold.",
    )


class Affinity(SpecModel):
    """Where pods go."""

    node_affinity: NodeAffinity | None = Field(default=None, description="By nodes.")
    pod_affinity: PodAffinity | None = Field(default=None, description="Near which pods.")
    pod_anti_affinity: PodAffinity | None = Field(default=None, description="Far from which pods.")

"""The exclusion of nodes from the affinity of pods."""

from __future__ import annotations

from dataclasses import replace

from isheep.kube.job_building.avoided_nodes import REQUIRED, without_nodes

from ..builders import a_start
from ..job_documents import job_for, pod_of

ZONE = {"key": "zone", "operator": "In", "values": ["a"]}
NOT_7 = {"key": "metadata.name", "operator": "NotIn", "values": ["gpu-7"]}
NOT_8 = {"key": "metadata.name", "operator": "NotIn", "values": ["gpu-8"]}


def test_a_pod_without_an_affinity_gets_one() -> None:
    affinity = without_nodes({}, ["gpu-8", "gpu-7"])
    terms = [{"matchFields": [NOT_7, NOT_8]}]
    assert affinity == {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}


def test_each_term_gets_the_exclusion_and_the_rest_of_the_affinity_stays() -> None:
    """A node must meet one term only, so a term without the exclusion would admit the node."""
    preferred = [{"weight": 1, "preference": {"matchExpressions": [ZONE]}}]
    one, other = {"matchExpressions": [ZONE]}, {"matchFields": [NOT_8]}
    affinity = {
        "nodeAffinity": {
            REQUIRED: {"nodeSelectorTerms": [one, other]},
            "preferredDuringSchedulingIgnoredDuringExecution": preferred,
        },
        "podAntiAffinity": {REQUIRED: []},
    }
    found = without_nodes(affinity, ["gpu-7"])
    assert found["nodeAffinity"][REQUIRED]["nodeSelectorTerms"] == [
        {"matchExpressions": [ZONE], "matchFields": [NOT_7]},
        {"matchFields": [NOT_8, NOT_7]},
    ]
    assert found["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == preferred
    assert found["podAntiAffinity"] == affinity["podAntiAffinity"]
    assert affinity["nodeAffinity"][REQUIRED] == {"nodeSelectorTerms": [one, other]}


def test_a_job_excludes_the_nodes_of_its_start() -> None:
    start = replace(a_start(), avoided_nodes=("gpu-7",))
    assert pod_of(job_for(start))["affinity"] == without_nodes({}, ["gpu-7"])
    assert "affinity" not in pod_of(job_for())

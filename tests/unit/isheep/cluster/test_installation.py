import copy

import pytest

from isheep import __version__
from isheep.api.generation.crd import openapi_schema
from isheep.cluster.installation import admission_finding, compared_schemas, operator_finding

SCHEMA = openapi_schema()


def test_a_schema_with_the_same_fields_is_ok_whatever_its_texts_are():
    found = copy.deepcopy(SCHEMA)
    found["properties"]["spec"]["properties"]["iterations"]["description"] = "another text"
    assert compared_schemas(found, SCHEMA).state == "ok"


def test_an_older_schema_fails_with_the_fields_that_it_lacks():
    found = copy.deepcopy(SCHEMA)
    del found["properties"]["spec"]["properties"]["language"]
    finding = compared_schemas(found, SCHEMA)
    assert finding.state == "failed"
    assert "lacks spec.language" in finding.message
    assert "upgrade" in finding.remedy
    newer = compared_schemas(SCHEMA, found)
    assert newer.state == "ok"
    assert "does not know spec.language" in newer.message


def test_many_fields_are_counted():
    found = copy.deepcopy(SCHEMA)
    del found["properties"]["spec"]["properties"]["training"]
    assert " and " in compared_schemas(found, SCHEMA).message


def deployment(ready, version=__version__):
    labels = {"app.kubernetes.io/version": version}
    metadata = {"name": "isheep-operator", "namespace": "isheep-system", "labels": labels}
    return {"metadata": metadata, "status": {"readyReplicas": ready}}


@pytest.mark.parametrize(
    ("deployments", "state", "text"),
    [
        ([], "failed", "install the operator's chart"),
        ([deployment(0)], "failed", "kubectl describe -n isheep-system deployment isheep-operator"),
        ([deployment(0), deployment(1)], "ok", f"is ready, version {__version__}"),
        ([deployment(1, "9.9")], "ok", f"version 9.9; this isheep has version {__version__}"),
    ],
)
def test_an_operator_is_ok_if_one_is_ready(deployments, state, text):
    finding = operator_finding(deployments)
    assert finding.state == state
    assert text in str(finding)


def policy(name, group, resource="*"):
    rules = [{"apiGroups": [group], "resources": [resource]}]
    return {"metadata": {"name": name}, "spec": {"matchConstraints": {"resourceRules": rules}}}


def test_a_policy_for_runs_needs_a_binding():
    ours, other = policy("ours", "isheep.dev"), policy("other", "apps")
    assert "none restricts" in admission_finding([other], []).message
    status = policy("status", "isheep.dev", "selfalignmentruns/status")
    assert "none restricts" in admission_finding([status], []).message
    assert admission_finding([other, ours], []).state == "failed"
    found = admission_finding([other, ours], [{"spec": {"policyName": "ours"}}])
    assert (found.state, found.message) == ("ok", "ours restricts what runs may name")

"""The values of the chart: each has a comment, and the schema refuses invalid values."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
import yaml

from isheep.api.generation.crd import run_schema

BAD = [
    ({"watchNamespace": ["a"]}, "watchNamespace"),
    ({"replicas": 0}, "/replicas"),
    ({"replicas": "2"}, "/replicas"),
    ({"image": {"repo": "a"}}, "repo"),
    ({"image": {"digest": "sha256:abc"}}, "/image/digest"),
    ({"image": {"repository": "a@sha256:abc"}}, "/image/repository"),
    ({"image": {"tag": 1.0}}, "/image/tag"),
    ({"workerImage": {"pullPolicy": "always"}}, "/workerImage/pullPolicy"),
    ({"watchNamespaces": "a"}, "/watchNamespaces"),
    ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces"),
    ({"defaultStorage": {"folder": {"path": "/data"}}}, "folder"),
    ({"defaultStorage": {"s3": {"prefix": "a"}}}, "bucket"),
    ({"defaultStorage": {"s3": {"bucket": "one", "secret": "a"}}}, "secret"),
    ({"modelMirrors": {"hf:/org": "/models"}}, "'hf:/org' not allowed"),
    ({"modelMirrors": {"hf://org": "models"}}, "/modelMirrors"),
    ({"prices": {"currency": "euro"}}, "/prices/currency"),
    ({"prices": {"currency": "EUR", "perHour": {"nvidia.com/gpu": "2"}}}, "/prices/perHour"),
    ({"prices": {"perHour": {"nvidia.com/gpu": 2}}}, "/prices"),
    ({"limits": {"runsPerNamespace": 0}}, "/limits/runsPerNamespace"),
    ({"limits": {"runs": 1}}, "runs"),
    ({"ttl": {"enabled": "true"}}, "/ttl/enabled"),
    ({"crds": {"keep": "true"}}, "/crds/keep"),
    ({"rbac": {"create": True}}, "create"),
    ({"admission": {"images": []}}, "images"),
    ({"admission": {"serviceAccounts": ['a", "b']}}, "/admission/serviceAccounts/0"),
    ({"admission": {"imagePrefixes": ["a b"]}}, "/admission/imagePrefixes/0"),
    ({"admission": {"imagePrefixes": [""]}}, "/admission/imagePrefixes/0"),
    ({"admission": {"mode": "listed"}}, "/admission/mode"),
    ({"admission": {"env": ["*"]}}, "/admission/env/0"),
    ({"admission": {"envSources": ["A=prod-db/password"]}}, "/admission/envSources/0"),
    ({"admission": {"destinations": ["s3=https://s3.example.com/path"]}}, "/destinations/0"),
    ({"admission": {"destinations": ["s3=https://*.example.com"]}}, "/destinations/0"),
    ({"admission": {"destinations": ["s3=https://[s3.example.com]"]}}, "/destinations/0"),
    ({"admission": {"claims": ["a\nb"]}}, "/admission/claims/0"),
    ({"admission": {"permissions": ["All"]}}, "/admission/permissions/0"),
    ({"admission": {"namespaces": {"a": {"secrets": []}}}}, "secrets"),
    ({"admission": {"namespaces": {"a": {"env": ["A B"]}}}}, "/admission/namespaces/a/env/0"),
    ({"appArmorProfile": "Unconfined"}, "/appArmorProfile"),
    ({"runAsUser": 0}, "/runAsUser"),
    ({"resources": {"limit": {}}}, "limit"),
    ({"tolerations": [{"operator": "exists"}]}, "/tolerations/0/operator"),
    ({"networkPolicy": {"apiServer": {"cidrs": ["192.0.2.1"]}}}, "/networkPolicy/apiServer/cidrs"),
]


@pytest.mark.parametrize(("values", "named"), BAD, ids=str)
def test_the_error_for_an_invalid_value_names_it(
    values: dict[str, Any], named: str, chart: Any
) -> None:
    assert named in chart.refusal(values)


def test_every_value_has_a_comment_and_is_in_the_schema(chart: Any) -> None:
    text = (chart.path / "values.yaml").read_text("utf-8")
    schema = json.loads((chart.path / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load(text)
    assert set(values) | {"global"} == set(schema["properties"])
    lines = text.splitlines()
    for above, line in pairwise(lines):
        # A key without a value groups other keys, which have their own comments.
        if re.match(r"^ *[A-Za-z]+: ", line):
            assert above.lstrip().startswith("#"), f"values.yaml: {line.strip()}"


def test_default_storage_has_the_same_bounds_as_the_storage_of_a_run(chart: Any) -> None:
    schema = json.loads((chart.path / "values.schema.json").read_text("utf-8"))
    ours = schema["properties"]["defaultStorage"]["properties"]["s3"]["properties"]
    theirs = run_schema()["properties"]["spec"]["properties"]["storage"]["properties"]["s3"]
    bounds = ("minLength", "maxLength", "pattern", "enum")
    assert set(ours) == set(theirs["properties"])
    for name, field in ours.items():
        if name != "secretRef":
            api = theirs["properties"][name]
            assert [field.get(bound) for bound in bounds] == [api.get(bound) for bound in bounds]

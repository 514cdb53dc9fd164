"""Every field of a run that can name something is in a rule of the chart, or is known as harmless.

The fields come from the models, so a new field fails here until somebody decides what its value
can reach. A field can name something if its value is a text without a fixed list of choices, a map,
or a permission, which is a field whose name begins with `allow`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from isheep.api.generation.crd import run_schema
from isheep.contract.choices import Pool

CHART = Path(__file__).resolve().parents[4] / "charts" / "isheep-operator"
TABLE = yaml.safe_load((CHART / "files" / "admission-rules.yaml").read_text("utf-8"))
RULES: list[dict[str, Any]] = TABLE["rules"]
POOL = "spec.compute.POOL"
POOLS = re.compile(rf"^spec\.compute\.({'|'.join(Pool)})\b")

HARMLESS = {
    "spec.managedBy": "with another manager the operator ignores the run",
    "spec.language": "a code of two or three letters, for rules of curation",
    "spec.model.revision": "a revision of the model that storageUri names",
    "spec.judge.model.revision": "a revision of the model that storageUri names",
    "spec.judge.model.secretRef.name": "the schema allows only the Secret of spec.model.secretRef",
    "spec.judge.endpoint.model": "a model of the endpoint that url decides",
    "spec.judge.endpoint.revision": "a text in the keys of stages, which is not sent",
    "spec.seedTasks.configMapRef.key": "a key of a ConfigMap that configMapRef.name decides",
    "spec.storage.s3.bucket": "a bucket at the decided endpoint, with the rights of the Secret",
    "spec.storage.s3.prefix": "keys in this bucket",
    "spec.storage.s3.region": "without a dot, so the host stays one of AWS or the endpoint",
    "spec.storage.folder.path": "the operator refuses such a run",
    "spec.curation.decontamination.benchmarks.name": "a name in the report",
    "spec.evaluation.benchmarks.name": "a name in the report",
    "spec.evaluation.judgements.name": "a name in the report",
    "spec.evaluation.judgements.temperatures": "numbers by the categories of the questions",
    "spec.evaluation.benchmarks.task": "a task that lm-eval contains",
    "spec.best.metric": "a figure of the run's own results",
    "spec.stopping.metric": "a figure of the run's own results",
    f"{POOL}.resourceClaims.name": "a name inside of the pod",
    f"{POOL}.nodeSelector": "nodes are protected by taints, and tolerations are decided",
    f"{POOL}.affinity.nodeAffinity": "nodes are protected by taints, and tolerations are decided",
}
"""Fields whose value gives the author of a run nothing, with the reason."""


def fields(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the fields that can name something; the pools have one path, because they are alike."""
    if POOLS.match(path):
        path = POOLS.sub(POOL, path)
    kind = schema.get("type")
    if kind == "array":
        yield from fields(schema["items"], path)
    elif kind == "object" and "properties" in schema:
        for name, inside in schema["properties"].items():
            yield from fields(inside, f"{path}.{name}")
    elif not _is_plain(schema) or path.rpartition(".")[2].startswith("allow"):
        yield path


def _is_plain(schema: dict[str, Any]) -> bool:
    """Return whether a value is a number, a quantity, a choice, or yes or no."""
    plain = schema.get("type") in ("integer", "number", "boolean")
    return plain or "enum" in schema or "x-kubernetes-int-or-string" in schema


def undecided(schema: dict[str, Any]) -> set[str]:
    """Return the fields without a rule and without a reason; both may name a field around them."""
    known = {field for rule in RULES for field in rule["fields"]} | HARMLESS.keys()
    return {
        field
        for field in fields(schema["properties"]["spec"], "spec")
        if not any(field == name or field.startswith(f"{name}.") for name in known)
    }


def test_every_field_that_can_name_something_is_decided() -> None:
    assert undecided(run_schema()) == set()


@pytest.mark.parametrize(
    ("path", "added"),
    [
        ("spec.judge.url", {"type": "string", "pattern": "^https://"}),
        ("spec.judge.secretRef", {"type": "object", "properties": {"name": {"type": "string"}}}),
        ("spec.compute.inference.deviceClasses", {"type": "array", "items": {"type": "string"}}),
        ("spec.compute.training.extraVolumes", {"type": "object", "additionalProperties": {}}),
        ("spec.engine.allowRemoteCode", {"type": "boolean"}),
        ("spec.selection.device", {"anyOf": [{"type": "string"}]}),
    ],
)
def test_a_new_field_needs_a_decision(path: str, added: dict[str, Any]) -> None:
    schema = copy.deepcopy(run_schema())
    *parents, name = path.split(".")
    node = schema
    for parent in parents:
        node = node["properties"].setdefault(parent, {"type": "object", "properties": {}})
    node["properties"][name] = added
    (found,) = undecided(schema)
    assert found.startswith(POOLS.sub(POOL, path))


def test_every_decided_field_exists() -> None:
    existing = set(fields(run_schema()["properties"]["spec"], "spec")) | {"metadata.labels"}
    named = {field for rule in RULES for field in rule["fields"]}
    assert not named & HARMLESS.keys()
    for name in named | HARMLESS.keys():
        assert any(field == name or field.startswith(f"{name}.") for field in existing), name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"])
def test_a_rule_reads_its_fields_and_its_list(rule: dict[str, Any]) -> None:
    """The expression contains the last name of each field, or a variable that contains it."""
    texts = [rule["refused"]]
    for variable in reversed(TABLE["variables"]):
        if any(f"variables.{variable['name']}" in text for text in texts):
            texts.append(variable["expression"])
    for field in rule["fields"]:
        assert any(field.rpartition(".")[2] in text for text in texts), field
    name = rule.get("list")
    assert name is None or f", {name})" in rule["refused"] or f"variables.{name}" in rule["refused"]


def test_every_list_of_the_chart_is_read_by_a_rule() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["admission"]
    lists = {name for name, value in values.items() if isinstance(value, list)}
    read = {name for name in lists for rule in RULES if name in rule["refused"]}
    assert read == lists - {"statusWriters"}
    template = (CHART / "templates" / "admission-listed.yaml").read_text("utf-8")
    (line,) = re.findall(r'define "isheep.listNames" -}}\n(.*)\n', template)
    assert set(line.split()) == read

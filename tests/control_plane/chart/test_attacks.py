"""An attacker who may only create runs, against `admission.mode: Listed` on a real API server.

Every attempt must be refused with the field, the value and the remedy, or must be harmless. The API
server knows the attacker by the token of a service account with a role on runs. The attempts are in
`credential_attempts` and `pod_attempts`; every field of every rule of the chart has one.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from isheep.api.generation.crd import run_schema

from ..harness.servers import binaries, kubeconfig_with
from .attempts import LARGE, LISTED_RUN, LISTS, NAMESPACE, TEAM, Attempt, run_document
from .credential_attempts import CREDENTIAL_ATTEMPTS
from .pod_attempts import POD_ATTEMPTS
from .policies import created, policy_objects, wait_for_status

SYSTEM = "isheep-system"
OPERATOR = "attacked"
MERGE_PATCH = "application/merge-patch+json"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "security.md").read_text("utf-8")
POOLS = ("inference", "training", "processing")
ATTEMPTS = (*CREDENTIAL_ATTEMPTS, *POD_ATTEMPTS)


@dataclass(frozen=True)
class Client:
    """A user of the API server, with the token of a service account."""

    server: Any
    token: str

    def request(self, method: str, path: str, body: Any = None) -> Any:
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        return self.server.request(method, path, body, kind, token=self.token)

    def tries(self, document: dict[str, Any], namespace: str = NAMESPACE) -> Any:
        """Create a run without keeping it."""
        return self.request("POST", f"{runs_in(namespace)}?dryRun=All", document)


def runs_in(namespace: str) -> str:
    return f"/apis/isheep.dev/v1alpha1/namespaces/{namespace}/selfalignmentruns"


def user(server: Any, name: str, home: str, rules: list[dict[str, Any]]) -> Client:
    """Create a service account with rights in the namespaces, and return its client."""
    accounts = f"/api/v1/namespaces/{home}/serviceaccounts"
    server.must("POST", accounts, {"metadata": {"name": name}})
    for namespace in (NAMESPACE, TEAM, LARGE):
        path = f"{RBAC}/namespaces/{namespace}"
        server.must("POST", f"{path}/roles", {"metadata": {"name": name}, "rules": rules})
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
        }
        server.must("POST", f"{path}/rolebindings", binding)
    token = server.must("POST", f"{accounts}/{name}/token", {"spec": {}})["status"]["token"]
    return Client(server, token)


@dataclass(frozen=True)
class Attacked:
    """The policies of the chart, enforced in three namespaces, and three users."""

    server: Any
    author: Client
    editor: Client
    operator: Client


@pytest.fixture(scope="module")
def attacked(crd_server: Any, chart: Any) -> Iterator[Attacked]:
    """The first namespace has an older run, `old`, which names what is not allowed now."""
    for namespace in (SYSTEM, NAMESPACE, TEAM, LARGE):
        answer = crd_server.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        assert answer.status in (201, 409), answer.message
    rules = [{"apiGroups": ["isheep.dev"], "resources": ["selfalignmentruns"], "verbs": ["*"]}]
    # A role that was written too wide, with the right on the status.
    wide = [{"apiGroups": ["isheep.dev"], "resources": ["*"], "verbs": ["*"]}]
    author = user(crd_server, "author", NAMESPACE, rules)
    editor = user(crd_server, "editor", NAMESPACE, wide)
    operator = user(crd_server, OPERATOR, SYSTEM, wide)
    rendered = chart.render(
        {
            "fullnameOverride": OPERATOR,
            "watchNamespaces": [NAMESPACE, TEAM, LARGE],
            "defaultStorage": {"s3": {"bucket": "default", "secretRef": {"name": "default-s3"}}},
            "admission": {
                "mode": "Listed",
                "namespaces": {TEAM: LISTS, LARGE: longest_lists(chart)},
            },
        }
    )
    lists = [i for i in rendered.all("ConfigMap") if "admission" in i["metadata"]["name"]]
    maps = f"/api/v1/namespaces/{SYSTEM}/configmaps"
    bad = run_document(serviceAccountName="admin")
    old = run_document("old", serviceAccountName="admin")
    old["metadata"]["finalizers"] = ["isheep.dev/test"]
    crd_server.must("POST", runs_in(NAMESPACE), old)
    for item in lists:
        crd_server.must("POST", maps, item)
    objects = [*policy_objects(rendered, "listed"), *policy_objects(rendered, "status")]
    with created(objects, crd_server):
        for namespace in (NAMESPACE, TEAM, LARGE):
            # At first, the policy does not know its parameters, and refuses every run.
            wait_for_status(403, lambda namespace=namespace: author.tries(bad, namespace))
            wait_for_status(
                201, lambda namespace=namespace: author.tries(GOOD[namespace], namespace)
            )
        crd_server.must("POST", runs_in(NAMESPACE), run_document("own"))
        status = f"{runs_in(NAMESPACE)}/own/status?dryRun=All"
        wait_for_status(
            403, lambda: editor.request("PATCH", status, {"status": {"phase": "Failed"}})
        )
        yield Attacked(crd_server, author, editor, operator)
    for name in ("old", "own"):
        path = f"{runs_in(NAMESPACE)}/{name}"
        crd_server.request("PATCH", path, {"metadata": {"finalizers": None}}, MERGE_PATCH)
        crd_server.request("DELETE", path)
    for item in lists:
        crd_server.must("DELETE", f"{maps}/{item['metadata']['name']}")


def longest_lists(chart: Any) -> dict[str, list[str]]:
    """Return lists of the largest size: the entries are long, and every value is at the end."""
    schema = json.loads((chart.path / "values.schema.json").read_text("utf-8"))
    longest = {}
    for name in ("env", "tuningEnv", "podLabels", "podAnnotations", "tolerations"):
        most = schema["$defs"]["lists"][name]["maxItems"]
        other = [f"{'a' * 200}{number}*" for number in range(most - 1)]
        longest[name] = [*other, "b*"]
    return longest


def largest(name: str) -> dict[str, Any]:
    """Return the schema of a field of a pool."""
    compute = run_schema()["properties"]["spec"]["properties"]["compute"]["properties"]
    found: dict[str, Any] = compute["inference"]["properties"][name]
    return found


GOOD = {NAMESPACE: run_document(), TEAM: LISTED_RUN, LARGE: run_document()}


@pytest.fixture(scope="module")
def rules(chart: Any) -> dict[str, dict[str, Any]]:
    text = (chart.path / "files" / "admission-rules.yaml").read_text("utf-8")
    return {rule["name"]: rule for rule in yaml.safe_load(text)["rules"]}


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.title)
def test_an_attempt_is_refused_with_field_value_and_remedy(
    attempt: Attempt, attacked: Attacked, rules: dict[str, dict[str, Any]]
) -> None:
    answer = attacked.author.tries(attempt.document, attempt.namespace)
    assert answer.status == 403, answer.message
    assert attempt.shows in answer.message
    rule = rules[attempt.rule]
    assert rule["remedy"] in answer.message
    if "list" in rule:
        assert f"administrator to extend admission.{rule['list']}" in answer.message


def test_every_field_of_every_rule_is_attacked(rules: dict[str, dict[str, Any]]) -> None:
    assert len(ATTEMPTS) >= 30
    ruled = {(name, field) for name, rule in rules.items() for field in rule["fields"]}
    assert ruled == {(a.rule, field) for a in ATTEMPTS for field in a.fields}


@pytest.mark.parametrize("pool", POOLS)
def test_the_rules_apply_to_every_pool(pool: str, attacked: Attacked) -> None:
    document = run_document(compute={pool: {"env": [{"name": "LD_PRELOAD", "value": "/x.so"}]}})
    answer = attacked.author.tries(document)
    assert answer.status == 403
    assert f"spec.compute.{pool}.env: LD_PRELOAD" in answer.message


def test_what_is_listed_is_admitted_in_its_namespace_only(attacked: Attacked) -> None:
    assert attacked.author.tries(LISTED_RUN, TEAM).status == 201
    assert attacked.author.tries(LISTED_RUN, NAMESPACE).status == 403
    assert attacked.author.tries(run_document(), NAMESPACE).status == 201


def test_every_tuning_variable_is_admitted(chart: Any, attacked: Attacked) -> None:
    values = yaml.safe_load((chart.path / "values.yaml").read_text("utf-8"))
    names = values["admission"]["tuningEnv"]
    most = largest("env")["maxItems"]
    for start in range(0, len(names), most):
        env = [{"name": name, "value": "1"} for name in names[start : start + most]]
        document = run_document(compute={pool: {"env": env} for pool in POOLS})
        answer = attacked.author.tries(document)
        assert answer.status == 201, answer.message


def test_the_largest_run_and_lists_stay_within_the_cost_limit_of_expressions(
    attacked: Attacked,
) -> None:
    """Beyond the limit, the API server would refuse a run that the lists allow."""
    env, annotations = largest("env"), largest("podAnnotations")
    value = "v" * annotations["additionalProperties"]["maxLength"]
    variable = "v" * env["items"]["properties"]["value"]["maxLength"]
    names = [f"b{number}".ljust(100, "a") for number in range(env["maxItems"])]
    pool = {
        "env": [{"name": name, "value": variable} for name in names],
        "podLabels": dict.fromkeys(names[: largest("podLabels")["maxProperties"]], "v"),
        "podAnnotations": dict.fromkeys(names[: annotations["maxProperties"]], value),
        "tolerations": [
            {"key": name, "value": "v", "effect": "NoSchedule"}
            for name in names[: largest("tolerations")["maxItems"]]
        ],
    }
    document = run_document(compute=dict.fromkeys(POOLS, pool))
    answer = attacked.author.tries(document, LARGE)
    assert answer.status == 201, answer.message


def test_a_run_cannot_be_created_with_a_status(attacked: Attacked) -> None:
    document = {**run_document(), "status": {"phase": "Succeeded", "resolved": {"generation": 1}}}
    answer = attacked.author.tries(document)
    assert answer.status == 201
    assert answer.body["status"] == {"observedGeneration": -1}


def test_an_update_of_a_run_leaves_its_status_as_it_is(attacked: Attacked) -> None:
    patch = {"status": {"resolved": {"generation": 1}}}
    answer = attacked.author.request("PATCH", f"{runs_in(NAMESPACE)}/own", patch)
    assert answer.status == 200
    assert answer.body["status"] == {"observedGeneration": -1}


def test_only_the_operator_writes_the_status(attacked: Attacked) -> None:
    path = f"{runs_in(NAMESPACE)}/own/status?dryRun=All"
    patch = {"status": {"phase": "Failed"}}
    assert attacked.author.request("PATCH", path, patch).status == 403
    answer = attacked.editor.request("PATCH", path, patch)
    assert answer.status == 403
    assert "status: only the operator may write it" in answer.message
    assert "change spec, or set the annotation isheep.dev/retry" in answer.message
    assert attacked.operator.request("PATCH", path, patch).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets"),
        ("GET", f"/api/v1/namespaces/{SYSTEM}/configmaps/{OPERATOR}-admission"),
        ("PATCH", f"/api/v1/namespaces/{SYSTEM}/configmaps/{OPERATOR}-admission"),
        ("DELETE", f"/api/v1/namespaces/{SYSTEM}/configmaps/{OPERATOR}-admission-{TEAM}"),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/pods"),
        ("POST", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token"),
    ],
    ids=str,
)
def test_the_right_to_create_runs_gives_no_other_right(
    method: str, path: str, attacked: Attacked
) -> None:
    body = {} if method in ("POST", "PATCH") else None
    assert attacked.author.request(method, path, body).status == 403


def test_a_run_that_was_admitted_cannot_be_changed_to_a_refused_one(attacked: Attacked) -> None:
    patch = {"spec": {"compute": {"training": {"image": "evil.example.com/worker"}}}}
    answer = attacked.author.request("PATCH", f"{runs_in(NAMESPACE)}/own?dryRun=All", patch)
    assert answer.status == 403
    assert "spec.compute.training.image: evil.example.com/worker" in answer.message


def test_a_suspended_run_with_refused_values_cannot_be_resumed(attacked: Attacked) -> None:
    """While it is suspended, it can be edited, because no pod starts. Older runs need this."""
    path = f"{runs_in(NAMESPACE)}/own"
    image = {"compute": {"training": {"image": "evil.example.com/worker"}}}
    assert (
        attacked.author.request("PATCH", path, {"spec": {"suspend": True, **image}}).status == 200
    )
    assert attacked.author.request("PATCH", path, {"spec": {"suspend": False}}).status == 403
    back = {"suspend": False, "compute": {"training": {"image": None}}}
    assert attacked.author.request("PATCH", path, {"spec": back}).status == 200


def test_a_run_cannot_be_created_suspended_with_refused_values(attacked: Attacked) -> None:
    document = run_document(suspend=True, serviceAccountName="admin")
    assert attacked.author.tries(document).status == 403


def test_the_command_of_the_page_names_the_runs_that_are_refused(
    attacked: Attacked, tmp_path: Path
) -> None:
    (command,) = (line for line in PAGE.splitlines() if line.startswith("kubectl --namespace"))
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps(kubeconfig_with(attacked.server, attacked.author.token)))
    arguments = command.replace("team-a", NAMESPACE).split()[1:]
    done = subprocess.run(
        [str(binaries() / "kubectl"), f"--kubeconfig={config}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "spec.serviceAccountName: admin is not allowed" in done.stderr
    assert 'selfalignmentruns.isheep.dev "old" is forbidden' in done.stderr
    assert "selfalignmentrun.isheep.dev/own annotated (server dry run)" in done.stdout


def test_the_values_of_the_page_are_those_of_the_chart(chart: Any) -> None:
    (values,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    rendered = chart.render(yaml.safe_load(values))
    lists = {item["metadata"]["name"]: item for item in rendered.all("ConfigMap")}
    assert lists["isheep-operator-admission-team-a"]["data"]["claims"] == "models"
    assert lists["isheep-operator-admission"]["data"]["claims"] == ""


def test_without_all_lists_no_run_is_admitted(attacked: Attacked) -> None:
    """Somebody may edit or delete the ConfigMap, and an older chart had fewer lists."""
    maps = f"/api/v1/namespaces/{SYSTEM}/configmaps"
    path = f"{maps}/{OPERATOR}-admission-{LARGE}"
    before = attacked.server.must("GET", path)
    kept = {name: before["metadata"][name] for name in ("name", "labels")}

    def tried() -> Any:
        return attacked.author.tries(run_document(), LARGE)

    try:
        attacked.server.must("PUT", path, {"metadata": kept, "data": {"claims": "*"}})
        refused = wait_for_status(403, tried)
        assert "the lists of this namespace are not complete" in refused.message
        assert f"writes the ConfigMap {OPERATOR}-admission-{LARGE}" in refused.message
        attacked.server.must("DELETE", path)
        wait_for_status(422, tried)
    finally:
        attacked.server.request("DELETE", path)
        attacked.server.must("POST", maps, {"metadata": kept, "data": before["data"]})
        wait_for_status(201, tried)


def test_a_deleted_run_that_a_finalizer_holds_cannot_be_changed(attacked: Attacked) -> None:
    path = f"{runs_in(NAMESPACE)}/old"
    assert attacked.author.request("DELETE", path).status == 200
    image = {"compute": {"training": {"image": "evil.example.com/worker"}}}
    assert attacked.author.request("PATCH", f"{path}?dryRun=All", {"spec": image}).status == 403
    finalizers = {"metadata": {"finalizers": None}}
    assert attacked.author.request("PATCH", f"{path}?dryRun=All", finalizers).status == 200

"""The admission policy on a real API server: the service accounts and images of runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .policies import PLURALS, created, policy_objects, wait_for_status

NAMESPACE = "chart-admission"
ODD_NAMESPACE = "chart-admission-odd"
JUDGED_NAMESPACE = "chart-admission-judged"
MODEL = {"storageUri": "hf://org/judge"}
RUNS = f"/apis/isheep.dev/v1alpha1/namespaces/{NAMESPACE}/selfalignmentruns"
MERGE_PATCH = "application/merge-patch+json"
TEAM = "registry.example.com/team"
ADMISSION = {
    "serviceAccounts": ["runner", "other.runner"],
    "imagePrefixes": [TEAM, "mirror.example.com:5000/", "registry.example.com/one:"],
}


def run_document(name: str, **spec: Any) -> dict[str, Any]:
    required = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/name"}}
    return {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": name},
        "spec": required | spec,
    }


def with_image(image: str, pool: str = "inference") -> dict[str, Any]:
    return {"serviceAccountName": "runner", "compute": {pool: {"image": image}}}


@contextmanager
def enforced(rendered: Any, server: Any, namespace: str = NAMESPACE) -> Iterator[None]:
    """Create the policy, wait until it is enforced, and at the end until it no longer is."""
    bad = run_document("bad", serviceAccountName="bad", compute={"training": {"image": "bad"}})
    try:
        with created(policy_objects(rendered, "lists"), server):
            wait_for_status(403, lambda: tried(bad, server, namespace))
            yield
    finally:
        wait_for_status(201, lambda: tried(bad, server, namespace))


def tried(document: Any, server: Any, namespace: str = NAMESPACE) -> Any:
    return server.request("POST", f"{RUNS.replace(NAMESPACE, namespace)}?dryRun=All", document)


def create_namespace(name: str, server: Any) -> None:
    created = server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert created.status in (201, 409), created.message


JUDGE: dict[str, Any] = {"endpoint": {"url": "https://judge.example.com/v1", "model": "m"}}
"""An endpoint that gets no Secret."""


def judged(secret: str, url: str = JUDGE["endpoint"]["url"]) -> dict[str, Any]:
    return {"judge": {"endpoint": {"url": url, "model": "m", "secretRef": {"name": secret}}}}


@pytest.fixture(scope="module")
def server(crd_server: Any, chart: Any) -> Iterator[Any]:
    """An API server with the policy and two earlier runs: `old`, and `held` with a finalizer."""
    create_namespace(NAMESPACE, crd_server)
    for name, finalizers in (("old", []), ("held", ["isheep.dev/test"])):
        run = run_document(name, serviceAccountName="bad")
        run["metadata"]["finalizers"] = finalizers
        assert crd_server.request("POST", RUNS, run).status == 201
    # Other tests have runs in other namespaces, so the policy selects one namespace only.
    values = {"watchNamespaces": [NAMESPACE], "admission": ADMISSION}
    with enforced(chart.render(values), crd_server):
        yield crd_server
    crd_server.request("DELETE", f"{RUNS}/old")


def test_the_default_mode_is_open_and_protects_the_status(chart: Any) -> None:
    rendered = chart.render({})
    assert not policy_objects(rendered, "listed")
    assert [item["kind"] for item in policy_objects(rendered, "status")] == list(PLURALS)
    off = {"admission": {**ADMISSION, "enabled": False, "mode": "Listed"}}
    assert not chart.render(off).all(*PLURALS)


def test_values_of_an_older_chart_keep_the_mode_open(chart: Any) -> None:
    """`helm upgrade --reuse-values` keeps the values of the older chart, without new ones."""
    older = {"admission": {**ADMISSION, "mode": None, "statusWriters": None}}
    assert policy_objects(chart.render(older), "lists")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"admission": {**ADMISSION, "enabled": False}},
        {"admission": {"serviceAccounts": [], "imagePrefixes": []}},
    ],
)
def test_without_entries_the_chart_renders_no_policy(values: dict[str, Any], chart: Any) -> None:
    assert not policy_objects(chart.render(values), "lists")


def test_the_policy_selects_the_watched_namespaces(chart: Any) -> None:
    def selected(values: dict[str, Any]) -> Any:
        _, binding = policy_objects(chart.render(values), "lists")
        return binding["spec"].get("matchResources")

    assert selected({"admission": ADMISSION}) is None
    names = selected({"admission": ADMISSION, "watchNamespaces": ["a"]})["namespaceSelector"]
    assert names["matchExpressions"] == [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a"]}
    ]


@pytest.mark.parametrize("account", ["runner", "other.runner"])
def test_listed_service_accounts_are_admitted(account: str, server: Any) -> None:
    answer = tried(run_document("run", serviceAccountName=account), server)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize(
    "spec",
    [{}, {"serviceAccountName": "default"}, {"serviceAccountName": "runner-2"}],
)
def test_other_service_accounts_are_rejected(spec: dict[str, str], server: Any) -> None:
    answer = tried(run_document("run", **spec), server)
    assert answer.status == 403
    assert 'spec.serviceAccountName must be one of ["runner","other.runner"]' in answer.message


@pytest.mark.parametrize(
    "image",
    [
        TEAM,
        f"{TEAM}:1",
        f"{TEAM}@sha256:abc",
        f"{TEAM}:1@sha256:abc",
        f"{TEAM}/worker:1",
        f"{TEAM}/deep/worker@sha256:abc",
        "mirror.example.com:5000/any/thing:1",
        "registry.example.com/one:1.5",
    ],
)
def test_images_with_a_listed_prefix_are_admitted(image: str, server: Any) -> None:
    answer = tried(run_document("run", **with_image(image)), server)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize(
    "image",
    [
        f"{TEAM}-evil/worker:1",
        f"{TEAM}.evil/worker:1",
        f"{TEAM}:1/worker",
        f"{TEAM}@sha256:abc/worker",
        f"evil.example.com/{TEAM}/worker",
        "registryXexample.com/team/worker",
        "registry.example.com/tea",
        "mirror.example.com:5000",
        "mirror.example.com:50001/worker",
        "registry.example.com/one/worker",
        "registry.example.com/one:1.5/worker",
    ],
)
def test_images_without_a_listed_prefix_are_rejected(image: str, server: Any) -> None:
    answer = tried(run_document("run", **with_image(image)), server)
    assert answer.status == 403
    assert "spec.compute.inference.image must begin with one of" in answer.message
    assert TEAM in answer.message


@pytest.mark.parametrize("pool", ["inference", "training", "processing"])
def test_the_image_of_every_pool_is_checked(pool: str, server: Any) -> None:
    answer = tried(run_document("run", **with_image("bad", pool)), server)
    assert answer.status == 403
    assert f"spec.compute.{pool}.image" in answer.message


def test_an_earlier_run_can_be_suspended_but_not_changed(server: Any) -> None:
    def change(patch: dict[str, Any]) -> Any:
        return server.request("PATCH", f"{RUNS}/old", patch, MERGE_PATCH)

    assert change({"spec": {"iterations": 2}}).status == 403
    assert change({"metadata": {"annotations": {"isheep.dev/retry": "1"}}}).status == 403
    assert change({"spec": {"suspend": True}}).status == 200
    assert change({"spec": {"suspend": False}}).status == 403
    assert change({"spec": {"suspend": False, "serviceAccountName": "runner"}}).status == 200
    assert server.request("PATCH", f"{RUNS}/old/status", {}, MERGE_PATCH).status == 200


def test_an_earlier_run_can_be_deleted(server: Any) -> None:
    """The removal of its last finalizer is an update, which the policy must not reject."""
    server.request("DELETE", f"{RUNS}/held")
    patch = {"metadata": {"finalizers": None}}
    answer = server.request("PATCH", f"{RUNS}/held", patch, MERGE_PATCH)
    assert answer.status == 200, answer.message
    assert server.request("GET", f"{RUNS}/held").status == 404


ODD = [
    "",
    '"] || true || "" in ["',
    "'] || true || '' in ['",
    '") || true || "".matches("',
    "\\",
    '\\" || true',
    "a\nb",
    "\u2028",
    "{{ .Release.Name }}",
    "%s",
    ".*",
    "bad|",
    ")|.*|(",
    "\\E.*",
    "(?i)BAD",
    "[a-z]",
    "ü",
]


def second_policy(admission: dict[str, Any]) -> dict[str, Any]:
    """Return values for a second policy with its own name and namespace."""
    return {
        "fullnameOverride": "odd",
        "watchNamespaces": [ODD_NAMESPACE],
        "admission": admission,
    }


def test_odd_characters_do_not_change_the_expressions(chart: Any, crd_server: Any) -> None:
    """The schema refuses odd characters. Without the schema, they are text in the expressions."""
    for odd in ODD:
        assert "/serviceAccounts/0" in chart.refusal(second_policy({"serviceAccounts": [odd]}))
        assert "/imagePrefixes/0" in chart.refusal(second_policy({"imagePrefixes": [odd]}))
    create_namespace(ODD_NAMESPACE, crd_server)
    values = second_policy({"serviceAccounts": ODD, "imagePrefixes": ODD})
    # `enforced` waits until a bad run is rejected, so the server has compiled the expressions.
    with enforced(chart.render(values, "--skip-schema-validation"), crd_server, ODD_NAMESPACE):
        pass


def test_the_longest_lists_stay_within_the_cost_limit_of_expressions(
    chart: Any, crd_server: Any
) -> None:
    prefixes = [f"registry.example.com/{number:02}/".ljust(256, "a") for number in range(64)]
    create_namespace(ODD_NAMESPACE, crd_server)
    rendered = chart.render(second_policy({"imagePrefixes": prefixes}))
    with enforced(rendered, crd_server, ODD_NAMESPACE):
        good = with_image(f"{prefixes[-1]}:1".ljust(512, "1"))
        answer = tried(run_document("run", **good), crd_server, ODD_NAMESPACE)
        assert answer.status == 201, answer.message


def test_in_mode_open_the_secret_of_a_judge_goes_to_listed_endpoints_only(
    crd_server: Any, chart: Any
) -> None:
    create_namespace(JUDGED_NAMESPACE, crd_server)
    admission = {"destinations": ["judge=https://judge.example.com"]}
    rendered = chart.render({"watchNamespaces": [JUDGED_NAMESPACE], "admission": admission})

    def create(spec: dict[str, Any]) -> Any:
        return tried(run_document("run", **spec), crd_server, JUDGED_NAMESPACE)

    with created(policy_objects(rendered, "judge"), crd_server):
        refused = wait_for_status(403, lambda: create(judged("prod-db")))
        assert (
            "spec.judge.endpoint.url with its secretRef: prod-db=https://judge.example.com is not "
            "allowed" in refused.message
        )
        assert "extend admission.destinations" in refused.message
        for spec in (
            judged("judge", "https://evil.example.com/v1"),
            judged("judge", "http://judge.example.com/v1"),
            judged("judge", "https://judge.example.com:8443/v1"),
        ):
            assert create(spec).status == 403
        for spec in (judged("judge"), {"judge": JUDGE}, {"judge": {"model": MODEL}}, {}):
            answer = create(spec)
            assert answer.status == 201, answer.message
    wait_for_status(201, lambda: create(judged("prod-db")))


def test_mode_listed_has_the_rule_of_judges_among_its_own(chart: Any) -> None:
    assert not policy_objects(chart.render({"admission": {"mode": "Listed"}}), "judge")
    assert not policy_objects(chart.render({"admission": {"enabled": False}}), "judge")

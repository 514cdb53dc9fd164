"""The chart grants the operator exactly the designed rights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Right = tuple[str, str, str, str]

ON_RUNS_AND_JOBS: set[Right] = {
    *(("isheep.dev", "selfalignmentruns", "", verb) for verb in ("get", "list", "watch")),
    ("isheep.dev", "selfalignmentruns/status", "", "patch"),
    ("isheep.dev", "selfalignmentruns/finalizers", "", "update"),
    *(("batch", "jobs", "", verb) for verb in ("get", "list", "watch", "create", "delete")),
    *(("", "pods", "", verb) for verb in ("get", "list")),
    *(("", "services", "", verb) for verb in ("get", "create")),
    ("kueue.x-k8s.io", "workloads", "", "list"),
    *(("", "events", "", verb) for verb in ("create", "patch", "list")),
}
ON_THE_LEASE: set[Right] = {
    ("coordination.k8s.io", "leases", "", "create"),
    ("coordination.k8s.io", "leases", "isheep-operator", "get"),
    ("coordination.k8s.io", "leases", "isheep-operator", "update"),
}


def rights_of(role: dict[str, Any]) -> Iterator[Right]:
    for rule in role["rules"]:
        assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    yield from ((group, resource, name, verb) for verb in rule["verbs"])


def granted(rendered: Any) -> dict[str, set[Right]]:
    """Return the rights of the operator by namespace, from the bindings; "" is the cluster."""
    roles = {
        (role["kind"], role["metadata"].get("namespace", ""), role["metadata"]["name"]): role
        for role in rendered.all("Role", "ClusterRole")
    }
    account = rendered.one("ServiceAccount")["metadata"]
    subject = {
        "kind": "ServiceAccount",
        "name": account["name"],
        "namespace": account["namespace"],
    }
    rights: dict[str, set[Right]] = {}
    for binding in rendered.all("RoleBinding", "ClusterRoleBinding"):
        assert binding["subjects"] == [subject]
        namespace = binding["metadata"].get("namespace", "")
        reference = binding["roleRef"]
        of = namespace if reference["kind"] == "Role" else ""
        role = roles[reference["kind"], of, reference["name"]]
        rights.setdefault(namespace, set()).update(rights_of(role))
    return rights


def is_aggregated(role: dict[str, Any]) -> bool:
    return any("/aggregate-to-" in label for label in role["metadata"]["labels"])


def test_the_default_rights_are_for_all_namespaces(chart: Any) -> None:
    expected = {"": ON_RUNS_AND_JOBS, "isheep-system": ON_THE_LEASE}
    assert granted(chart.render()) == expected


def test_only_a_value_gives_the_right_to_delete_runs(chart: Any) -> None:
    rights = {*ON_RUNS_AND_JOBS, ("isheep.dev", "selfalignmentruns", "", "delete")}
    for values, namespace in (({}, ""), ({"watchNamespaces": ["team-a"]}, "team-a")):
        rendered = chart.render({**values, "ttl": {"enabled": True}})
        assert granted(rendered)[namespace] == rights


def test_watch_namespaces_limit_the_rights(chart: Any) -> None:
    rendered = chart.render({"watchNamespaces": ["team-a", "isheep-system"]})
    assert granted(rendered) == {
        "team-a": ON_RUNS_AND_JOBS,
        "isheep-system": ON_RUNS_AND_JOBS | ON_THE_LEASE,
    }
    assert not rendered.all("ClusterRoleBinding")
    assert all(is_aggregated(role) for role in rendered.all("ClusterRole"))
    values = {"watchNamespaces": ["team-a"], "rbac": {"aggregate": False}}
    assert not chart.render(values).all("ClusterRole")


def test_the_rights_of_users_are_aggregated_to_view_edit_and_admin(chart: Any) -> None:
    roles = [role for role in chart.render().all("ClusterRole") if is_aggregated(role)]
    by_target: dict[str, set[str]] = {"view": set(), "edit": set(), "admin": set()}
    for role in roles:
        for target, verbs in by_target.items():
            label = f"rbac.authorization.k8s.io/aggregate-to-{target}"
            if role["metadata"]["labels"].get(label) == "true":
                for group, resource, name, verb in rights_of(role):
                    assert (group, resource, name) == ("isheep.dev", "selfalignmentruns", "")
                    verbs.add(verb)
    read = {"get", "list", "watch"}
    write = {"create", "update", "patch", "delete", "deletecollection"}
    assert by_target == {"view": read, "edit": read | write, "admin": read | write}


def test_the_chart_can_use_an_existing_service_account(chart: Any) -> None:
    rendered = chart.render({"serviceAccount": {"create": False, "name": "mine"}})
    assert not rendered.all("ServiceAccount")
    assert rendered.pod["spec"]["serviceAccountName"] == "mine"
    bindings = rendered.all("RoleBinding", "ClusterRoleBinding")
    assert {binding["subjects"][0]["name"] for binding in bindings} == {"mine"}

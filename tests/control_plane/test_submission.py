"""`isheep submit` with a real API server and operator."""

from __future__ import annotations

import json

from .harness.command import isheep
from .harness.namespace_fixture import NamespaceFixture
from .harness.runs import Run


def test_a_run_is_created_once_and_changed_only_by_force(namespace: NamespaceFixture) -> None:
    run = Run().spec(suspend=True)

    def submit(run: Run, *options: str) -> tuple[int, str, str]:
        text = json.dumps(run.document())
        done = isheep(namespace, "submit", "-", "-n", namespace.name, *options, stdin=text)
        return done.returncode, done.stdout, done.stderr

    where = f"run in namespace {namespace.name}"
    code, printed, said = submit(run)
    assert code == 0, said
    assert printed.splitlines()[0] == f"{where}: created"
    assert printed.splitlines()[1].endswith(f"status run -n {namespace.name} -w")
    namespace.until_phase("Suspended")
    # The file has no defaults, and the stored run has: they are equal.
    assert submit(run)[1].startswith(f"{where}: unchanged\n")

    edited = run.spec(instructions={"count": 9}).labelled(team="a")
    code, printed, said = submit(edited)
    assert (code, printed) == (64, "")
    changes = ['  metadata.labels.team: absent → "a"', "  spec.instructions.count: 8 → 9"]
    assert said.splitlines()[1:] == changes
    assert namespace.run()["spec"]["instructions"]["count"] == 8
    code, printed, said = submit(edited, "--force")
    assert code == 0, said
    assert printed.splitlines()[:3] == [f"{where}: changed", *changes]
    generation = 2
    namespace.until(lambda: namespace.run()["metadata"]["generation"] == generation)

    code, _, said = submit(run.spec(storage={"s3": {"bucket": "another"}}), "--force")
    assert code == 64
    assert "rejected the request" in said
    assert "storage" in said

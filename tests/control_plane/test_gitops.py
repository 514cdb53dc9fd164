"""The health of runs for Argo CD and Flux, and that the guide prints the files of the checkout.

Each state of a run has the conditions that the planner writes. Argo CD's check runs in the Lua
interpreter that Argo CD uses, with the libraries that it opens. Flux's expressions run in CEL.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cel_expr_python import cel

from isheep.api.run import GROUP, KIND, VERSION
from isheep.planner.conditions import RunPhase, State, conditions

from ..docs.blocks import blocks
from .harness.servers import BUILD

ROOT = Path(__file__).resolve().parents[2]
GUIDE = "docs/how-to/gitops.md"
HEALTH = ROOT / "hack" / "argocd" / "health.lua"
FLUX = ROOT / "hack" / "flux" / "health-check-exprs.yaml"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run(phase: RunPhase, *, observed: int = 2, **fields: str) -> dict[str, Any]:
    """Return generation 2 of a run in a phase; its status describes the generation `observed`."""
    found = conditions(State(phase, "Why", "a message"), (), observed, NOW)
    status = {
        "observedGeneration": observed,
        "phase": phase.value,
        "conditions": [condition.document() for condition in found],
        **fields,
    }
    metadata = {"name": "run", "namespace": "team", "generation": 2}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": metadata,
        "status": status,
    }


def deleting_run() -> dict[str, Any]:
    """Return a run that has succeeded and is being deleted while its pods end."""
    found = run(RunPhase.SUCCEEDED)
    return {**found, "metadata": {**found["metadata"], "deletionTimestamp": NOW.isoformat()}}


def new_run() -> dict[str, Any]:
    """Return a run that the operator has not seen; the CRD has given it this status."""
    return {**run(RunPhase.PENDING), "status": {"observedGeneration": -1}}


STATES: dict[str, tuple[dict[str, Any], str, str]] = {
    "new": (new_run(), "Progressing", "InProgress"),
    "without a status": ({**new_run(), "status": None}, "Progressing", ""),
    "edited": (run(RunPhase.SUCCEEDED, observed=1), "Progressing", "InProgress"),
    "pending": (run(RunPhase.PENDING), "Progressing", "Current"),
    "running": (run(RunPhase.RUNNING, progress="2/5 respond 41%"), "Progressing", "Current"),
    "suspended": (run(RunPhase.SUSPENDED), "Suspended", "Current"),
    "stalled": (run(RunPhase.STALLED), "Degraded", "InProgress"),
    "succeeded": (run(RunPhase.SUCCEEDED), "Healthy", "Current"),
    "failed": (run(RunPhase.FAILED), "Degraded", "Failed"),
    "deleting": (deleting_run(), "Progressing", "InProgress"),
}
"""A run, its health in Argo CD, and its status in Flux ("": Flux always has a status)."""


@pytest.fixture(scope="module")
def argo_health() -> dict[str, dict[str, str]]:
    """The health of each state, by its name."""
    command = [sys.executable, str(BUILD), "gitops"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    done = subprocess.run(
        [str(Path(built.stdout.strip()) / "health"), str(HEALTH)],
        input="".join(f"{json.dumps(document)}\n" for document, _, _ in STATES.values()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(STATES, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", STATES)
def test_argo_cd_knows_the_health(name: str, argo_health: dict[str, dict[str, str]]) -> None:
    document, expected, _ = STATES[name]
    assert argo_health[name]["status"] == expected
    if (document["status"] or {}).get("observedGeneration") == 2 and name != "deleting":
        assert "Why: a message" in argo_health[name]["message"]
    progress = (document["status"] or {}).get("progress", "")
    assert argo_health[name]["message"].startswith(progress)


def flux_status(document: dict[str, Any]) -> str:
    """Return Failed, InProgress or Current, as Flux decides: it asks in this order."""
    (check,) = yaml.safe_load(FLUX.read_text("utf-8"))["spec"]["healthCheckExprs"]
    assert (check["apiVersion"], check["kind"]) == (document["apiVersion"], document["kind"])
    names = ("metadata", "status")
    environment = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    data = {name: document[name] for name in names}
    for status in ("InProgress", "Failed", "Current"):
        field = status[0].lower() + status[1:]
        if environment.compile(check[field]).eval(data=data).value() is True:
            return status
    return "InProgress"


@pytest.mark.parametrize("name", [name for name, (*_, flux) in STATES.items() if flux])
def test_flux_knows_the_status(name: str) -> None:
    document, _, expected = STATES[name]
    assert flux_status(document) == expected


def test_the_guide_prints_the_files() -> None:
    texts = [block.text for block in blocks(ROOT / GUIDE, GUIDE)]
    argo, flux = (yaml.safe_load(text) for text in texts if "health" in text)
    key = f"resource.customizations.health.{GROUP}_{KIND}"
    assert argo["data"][key] == HEALTH.read_text("utf-8")
    wanted = yaml.safe_load(FLUX.read_text("utf-8"))["spec"]["healthCheckExprs"]
    assert flux["spec"]["healthCheckExprs"] == wanted

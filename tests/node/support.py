"""Helpers that several files of the node tests use."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from cluster.clients import Clients, wait_until

TESTS = Path(__file__).resolve().parents[1]
CHART = TESTS.parent / "charts" / "isheep-operator"


def load(name: str, path: Path) -> ModuleType:
    """Import a file of another test folder; test folders are no packages."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def restricted_pod(name: str, image: str, *command: str) -> dict[str, Any]:
    """Return a pod that complies with the restricted security standard."""
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if command:
        container["command"] = list(command)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


def end_of_pod(clients: Clients, name: str) -> dict[str, Any]:
    """Wait until a pod's container has terminated, and return its terminated state."""

    def terminated() -> dict[str, Any] | None:
        status = clients.get("pod", name)["status"]
        states = [s["state"] for s in status.get("containerStatuses", [])]
        found = [state["terminated"] for state in states if "terminated" in state]
        return found[0] if found else None

    return wait_until(f"the end of pod {name}", terminated, 60)

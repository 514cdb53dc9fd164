"""kubectl and Helm with the rights of the cluster's administrator."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cluster import settings
from cluster.commands import run

Json = Any


@dataclass(frozen=True)
class Clients:
    """The programs of a folder, used in one namespace."""

    binaries: Path
    namespace: str

    def within(self, namespace: str) -> Clients:
        """Return the clients for another namespace."""
        return Clients(self.binaries, namespace)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl and return its output."""
        options = [f"--kubeconfig={settings.KUBECONFIG}", f"--namespace={self.namespace}"]
        return run([self.binaries / "kubectl", *options, *words], stdin=stdin)

    def get(self, *words: str) -> Json:
        """Return the result of `kubectl get`."""
        return json.loads(self.kubectl("get", "--output=json", *words))

    def find(self, kind: str, **labels: str) -> list[Json]:
        """Return the objects of a kind with labels, given without their prefix isheep.dev/."""
        selector = ",".join(f"isheep.dev/{name}={value}" for name, value in labels.items())
        items: list[Json] = self.get(kind, f"--selector={selector}")["items"]
        return items

    def apply(self, *documents: Json) -> None:
        """Run `kubectl apply` for each document."""
        for document in documents:
            self.kubectl("apply", "--filename=-", stdin=json.dumps(document))

    def helm(self, *words: str) -> str:
        """Run Helm and return its output."""
        options = [f"--kubeconfig={settings.KUBECONFIG}", f"--namespace={self.namespace}"]
        folder = settings.state() / "helm"
        homes = ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        return run([self.binaries / "helm", *options, *words], env={h: str(folder) for h in homes})

    def make_namespace(self) -> None:
        """Create the namespace, which enforces the restricted security standard."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": self.namespace, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


T = TypeVar("T")


def wait_until(what: str, probe: Callable[[], T | None], seconds: float, pause: float = 0.3) -> T:
    """Call `probe` until its result is not None, and return the result.

    Raises:
        TimeoutError: The result was None for the whole time; the message names `what`.
    """
    end = time.monotonic() + seconds
    while (found := probe()) is None:
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)
    return found

"""kubectl and Helm, as someone who administers the cluster runs them."""

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
    """The programs of a folder, for one namespace."""

    binaries: Path
    namespace: str

    def within(self, namespace: str) -> Clients:
        """Return the same for another namespace."""
        return Clients(self.binaries, namespace)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it printed."""
        options = [f"--kubeconfig={settings.KUBECONFIG}", f"--namespace={self.namespace}"]
        return run([self.binaries / "kubectl", *options, *words], stdin=stdin)

    def get(self, *words: str) -> Json:
        """Return what `kubectl get` finds."""
        return json.loads(self.kubectl("get", "--output=json", *words))

    def find(self, kind: str, **labels: str) -> list[Json]:
        """Return the objects of a kind with labels; their isheep.dev/ may be left out."""
        selector = ",".join(f"isheep.dev/{name}={value}" for name, value in labels.items())
        items: list[Json] = self.get(kind, f"--selector={selector}")["items"]
        return items

    def apply(self, *documents: Json) -> None:
        """Run `kubectl apply` with documents."""
        for document in documents:
            self.kubectl("apply", "--filename=-", stdin=json.dumps(document))

    def helm(self, *words: str) -> str:
        """Run Helm and return what it printed."""
        options = [f"--kubeconfig={settings.KUBECONFIG}", f"--namespace={self.namespace}"]
        folder = settings.state() / "helm"
        homes = ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        return run([self.binaries / "helm", *options, *words], env={h: str(folder) for h in homes})

    def make_namespace(self) -> None:
        """Create the namespace; whatever runs there has to be restricted."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": self.namespace, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


T = TypeVar("T")


def wait_until(what: str, look: Callable[[], T | None], seconds: float, pause: float = 0.3) -> T:
    """Return the first thing that `look` returns, unless nothing comes in time."""
    end = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)
    return found

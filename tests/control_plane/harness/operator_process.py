"""`isheep operator` as a process of its own: started, watched, stopped, killed.

What a test hurries (the waits between retries, which are minutes) or changes (the
stages' versions, as an upgrade does) is patched by `launch` before anything of isheep
is imported; with nothing to patch the installed command is run as it is.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .servers import free_port
from .waiting import until

HERE = Path(__file__).resolve().parent
ISHEEP = Path(sys.executable).with_name("isheep")
HURRY: Mapping[str, Any] = {
    "isheep.planner.failure:RETRY_SCHEDULE": [0.5, 0.5, 0.5],
    "isheep.planner.failure:STALLED_SCHEDULE": [4, 4, 4, 4, 1800],
    "isheep.planner.failure:DISRUPTION_DELAY": 0.5,
    "isheep.planner.groups:CONFIGURATION_WAIT": 1.0,
    "isheep.planner.groups:PEER_WAIT": 5.0,
    "isheep.kube.rejections:DELAYS": [0.5, 1, 2],
}
"""The planner's waits, in seconds, as most tests want them.

A run is never seen Stalled if its wait, which begins with the end of a Job, a time in whole
seconds, is over before the operator has heard of that end.
"""
SHORT_LEASE: Mapping[str, Any] = {"isheep.kube.client:TIMEOUT_SECONDS": 3.0}
"""A Lease lasts as long as two requests may take."""
UPGRADE: Mapping[str, Any] = {"isheep.recipes.interface:STAGE_VERSIONS": 1}
"""A later version of the operator, to which every stage's output would be another."""
TIMINGS = {
    "firstLookSeconds": 1,
    "lookSeconds": 1,
    "pollSeconds": 1,
    "progressSeconds": 1,
    "listSeconds": 300,
}
IMAGE = "isheep-worker@sha256:" + "0" * 64


def configuration(**changes: Any) -> dict[str, Any]:
    """Return an operator's configuration, with fields replaced."""
    return {
        "workerImage": IMAGE,
        "workerImagePullPolicy": "IfNotPresent",
        "watchNamespaces": [],
        "defaultStorage": {
            "s3": {
                "bucket": "bucket",
                "prefix": "some/prefix",
                "endpoint": None,
                "region": None,
                "addressing": "Virtual",
                "secretRef": {"name": "s3"},
            }
        },
        "modelMirrors": {},
        "httpPort": free_port(),
        "timings": dict(TIMINGS),
        **changes,
    }


@dataclass
class OperatorProcess:
    """One operator; started again after a kill it is the same pod with a new process."""

    folder: Path
    kubeconfig: dict[str, Any]
    config: dict[str, Any]
    identity: str = "operator-0"
    patches: Mapping[str, Any] = field(default_factory=lambda: dict(HURRY))
    process: subprocess.Popen[bytes] | None = None
    cpu_seconds_before: float = 0.0

    @property
    def log(self) -> Path:
        return self.folder / f"{self.identity}.log"

    @property
    def port(self) -> int:
        return int(self.config["httpPort"])

    def start(self, *, wait: bool = True) -> OperatorProcess:
        self.folder.mkdir(parents=True, exist_ok=True)
        config, kubeconfig = self.folder / f"{self.identity}.yaml", self.folder / "kubeconfig"
        # JSON is YAML.
        config.write_text(json.dumps(self.config))
        kubeconfig.write_text(json.dumps(self.kubeconfig))
        environment = {
            **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
            "KUBECONFIG": str(kubeconfig),
            "POD_NAMESPACE": self.config["lease"]["namespace"],
            "POD_NAME": self.identity,
            "ISHEEP_TEST_PATCHES": json.dumps(dict(self.patches)),
            "PYTHONUNBUFFERED": "1",
        }
        program = [sys.executable, str(HERE / "launch.py")] if self.patches else [str(ISHEEP)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*program, "operator", "--config", str(config)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            until(self._is_ready_or_dead, otherwise=self.tail)
            assert self.is_alive(), f"the operator ended at once\n{self.tail()}"
        return self

    def kill(self) -> None:
        """End it as a lost node would: at once."""
        if self.process is not None:
            self.process.kill()

    def wait(self, timeout: float = 30) -> int:
        assert self.process is not None
        return self.process.wait(timeout)

    def stop(self) -> int:
        """End it as a kubelet would; returns the exit code."""
        assert self.process is not None
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the operator does not end on SIGTERM\n{self.tail()}") from None

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        return self.answers("/readyz") == 200

    def answers(self, path: str) -> int:
        """Return the status of one of the operator's own pages, 0 while it does not answer."""
        return self.page(path)[0]

    def page(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def memory_bytes(self) -> int:
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def cpu_seconds(self) -> float:
        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def tail(self, characters: int = 6000) -> str:
        if not self.log.exists():
            return f"{self.identity} left no log"
        return f"{self.identity}:\n{self.log.read_text(errors='replace')[-characters:]}"

    def _is_ready_or_dead(self) -> bool:
        return not self.is_alive() or self.is_ready()

"""`isheep operator` as a separate process that a test can start, inspect, stop and kill.

`launch` applies the patches of a test before anything of isheep is imported: shorter waits
between retries, or other versions of the stages, as after an upgrade. Without patches the
installed command runs unchanged.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .ports import free_port
from .waiting import until

HERE = Path(__file__).resolve().parent
DOCKERFILE = HERE.parents[2] / "images" / "operator" / "Dockerfile"
ISHEEP = Path(sys.executable).with_name("isheep")
SHORT_WAITS: Mapping[str, Any] = {
    "isheep.planner.retry_schedule:RETRY_SCHEDULE": [0.5, 0.5, 0.5],
    "isheep.planner.retry_schedule:STALLED_SCHEDULE": [10, 10, 10, 10, 1800],
    "isheep.planner.retry_schedule:DISRUPTION_DELAY": 0.5,
    "isheep.planner.groups:CONFIGURATION_WAIT": 1.0,
    "isheep.planner.groups:PEER_WAIT": 5.0,
    "isheep.kube.passes.rejections:DELAYS": [0.5, 1, 2],
    "isheep.kube.passes.pod_inspection:SIDECAR_GRACE": 2.0,
    # Most tests have no Kueue, and admit the Jobs of a queue themselves.
    "isheep.kube.passes.kueue:WORKLOAD_GRACE": 3600.0,
}
"""The planner's waits in seconds, short enough for most tests.

The wait of a stalled run begins when its Job ends. If the wait were over before the operator
has received the end of the Job, no version of the run would be Stalled.
"""
UPGRADE: Mapping[str, Any] = {"isheep.recipes.stage_kinds:STAGE_VERSIONS": 1}
"""A later version of the operator, in which the output of every stage differs."""
TIMINGS = {
    "firstLookSeconds": 1,
    "lookSeconds": 1,
    "pollSeconds": 1,
    "progressSeconds": 1,
    "listSeconds": 300,
}
IMAGE = "isheep-worker@sha256:" + "0" * 64
PAGE_SECONDS = 30.0
END_SECONDS = 90.0


def allocator_settings() -> dict[str, str]:
    """Return the settings of the memory allocator in the operator's image."""
    found = dict(re.findall(r"\b(MALLOC_\w+)=(\d+)", DOCKERFILE.read_text()))
    assert found, DOCKERFILE
    return found


def configuration(**changes: Any) -> dict[str, Any]:
    """Return the configuration of an operator, with some fields replaced."""
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
    """One operator. After a kill and a start it is the same pod with a new process."""

    folder: Path
    connect: Callable[[], dict[str, Any]]
    """Returns the kubeconfig of the next process."""
    config: dict[str, Any]
    identity: str = "operator-0"
    patches: Mapping[str, Any] = field(default_factory=lambda: dict(SHORT_WAITS))
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.identity}.log"

    @property
    def port(self) -> int:
        return int(self.config["httpPort"])

    def start(self, *, wait: bool = True) -> OperatorProcess:
        """Start a process once the earlier one has ended; by default, wait until it is ready."""
        if self.process is not None:
            self.process.wait(END_SECONDS)
        self.folder.mkdir(parents=True, exist_ok=True)
        config, kubeconfig = self.folder / f"{self.identity}.yaml", self.folder / "kubeconfig"
        # JSON is YAML.
        config.write_text(json.dumps(self.config))
        kubeconfig.write_text(json.dumps(self.connect()))
        environment = {
            **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
            **allocator_settings(),
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
            assert self.is_alive(), f"the operator ended during its start\n{self.tail()}"
        return self

    def kill(self) -> None:
        """End the process immediately, as the loss of its node would."""
        if self.process is not None:
            self.process.kill()

    def pause(self) -> None:
        """Pause the process between two of its instructions, as a frozen node does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a stopped process go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def wait(self, timeout: float = END_SECONDS) -> int:
        """Wait until the process has ended, and return its exit code."""
        assert self.process is not None
        return self.process.wait(timeout)

    def stop(self) -> int:
        """End the process as a kubelet does, with SIGTERM, and return its exit code."""
        assert self.process is not None
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the operator does not end on SIGTERM\n{self.tail()}") from None

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        return self.page_status("/readyz") == 200

    def page_status(self, path: str) -> int:
        """Return the status of one of the operator's own pages, 0 if it does not respond."""
        return self.page(path)[0]

    def page(self, path: str) -> tuple[int, str]:
        """Return the status and the text of one of the operator's own pages."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PAGE_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def memory_bytes(self) -> int:
        """Return the resident memory of the process."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def peak_bytes(self) -> int:
        """Return the largest resident memory that the process has had."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        (kibibytes,) = (line.split()[1] for line in text.splitlines() if line.startswith("VmHWM:"))
        return int(kibibytes) * 1024

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used."""
        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def tail(self, characters: int = 6000) -> str:
        """Return the end of the log."""
        if not self.log.exists():
            return f"{self.identity} has written no log"
        return f"{self.identity}:\n{self.log.read_text(errors='replace')[-characters:]}"

    def _is_ready_or_dead(self) -> bool:
        return not self.is_alive() or self.is_ready()

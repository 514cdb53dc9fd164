"""A kubelet without containers: the test's behaviours replace the containers of its pods.

It does what a real kubelet does on the API server: it watches the pods of its nodes and
writes their status (phase, conditions, container states with exit code and termination
message, IP). When a pod is deleted, it stops the container and then removes the pod with a
grace period of 0. It reads a pod's order from the same variables as a container. Pods get
loopback addresses, so requests to them never leave this machine.

The tests under tests/node run Jobs on a real kubelet.
"""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from isheep.contract.order import StageResult, StepResult

from .api import MERGE_PATCH, STRATEGIC_PATCH, ApiServer
from .background import Background
from .fake_workers import FakeWorkers
from .pod_behaviour import KILLED, PodBehaviour
from .pod_variables import environment_of, order_of
from .watching import watch

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
HEARTBEAT_SECONDS = 1.0
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
MAX_GRACE_SECONDS = 1.0
"""A container that ignores SIGTERM is killed after this time, or after a shorter grace period."""
CONNECTIONS = 32
INITIALIZING = {"waiting": {"reason": "PodInitializing"}}
"""The state of the worker while an init container has not succeeded."""
LOOPBACK = 1 + os.getpid() % 250
"""The second byte of the pods' addresses, so that sessions at the same time use others."""
CAPACITY = {
    "cpu": "100000",
    "memory": "1000Ti",
    "ephemeral-storage": "1000Ti",
    "pods": "100000",
    "nvidia.com/gpu": "64",
}


class Kubelet:
    """The kubelets of all nodes of a control plane."""

    def __init__(self, server: ApiServer, background: Background, nodes: tuple[str, ...]) -> None:
        self._server = server
        self._background = background
        self._nodes = nodes
        self._pods: dict[str, _Pod] = {}
        self._workers: defaultdict[str, FakeWorkers] = defaultdict(FakeWorkers)
        self._last_address = 0
        self._missed: dict[str, tuple[str, dict[str, Any]]] = {}
        self.cut_off: set[str] = set()
        """The UIDs of pods on nodes that do not reach the API server; their containers go on."""
        self.silent_nodes: set[str] = set()
        """The nodes that send no heartbeats."""
        self.errors: list[str] = []
        self.writes_running = True
        """Whether the status reports running containers; a real kubelet misses some quick ones."""

    def start(self) -> None:
        """Register the nodes and watch their pods."""
        for name in self._nodes:
            register_node(self._server, name)
        self._background.run(self._open())
        pods = watch(self._session, "/api/v1/pods", self._receive, selector="spec.nodeName!=")
        self._background.spawn(pods)

    def stop(self) -> None:
        self._background.run(self._session.close())

    def workers(self, namespace: str) -> FakeWorkers:
        """Return the fake workers of a namespace: the pods' behaviours and the store."""
        return self._workers[namespace]

    def close_workers(self, namespace: str) -> None:
        """Remove the fake workers of a namespace."""
        self._workers.pop(namespace, None)

    def errors_in(self, namespace: str) -> list[str]:
        """Return the exceptions of the behaviours of a namespace's pods."""
        return [error for error in self.errors if error.startswith(f"{namespace}/")]

    def running(self, namespace: str) -> list[str]:
        """Return the names of the pods that have not terminated."""
        pods = list(self._pods.values())
        return [p.name for p in pods if p.namespace == namespace and not p.ended]

    async def _open(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._server.tls(), limit=CONNECTIONS)
        headers = {"Authorization": f"Bearer {self._server.token}"}
        self._session = aiohttp.ClientSession(
            self._server.url,
            connector=connector,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    def reconnect(self, uid: str) -> None:
        """Let the node of a pod reach the API server again."""
        self._background.run(self._reconnect(uid))

    async def _reconnect(self, uid: str) -> None:
        self.cut_off.discard(uid)
        if uid in self._missed:
            self._receive(*self._missed.pop(uid))

    async def send_heartbeats(self) -> None:
        """Renew the Leases of the nodes for ever, as the node controller expects."""
        while True:
            for name in set(self._nodes) - self.silent_nodes:
                time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                lease = {
                    "metadata": {"name": name},
                    "spec": {"holderIdentity": name, "renewTime": time, "leaseDurationSeconds": 40},
                }
                path = f"{LEASES}/{name}"
                await self.request("POST", LEASES, lease, "application/json")
                await self.request("PATCH", path, lease, MERGE_PATCH)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def _receive(self, kind: str, document: dict[str, Any]) -> None:
        uid = document["metadata"]["uid"]
        if uid in self.cut_off:
            self._missed[uid] = (kind, document)
            return
        pod = self._pods.get(uid)
        if kind == "DELETED":
            if pod is not None:
                self._pods.pop(uid).cancel()
            return
        if pod is None:
            self._last_address += 1
            pod = self._pods[uid] = _Pod(self, document, _address(self._last_address))
            if not pod.ended:
                pod.begin()
        if "deletionTimestamp" in document["metadata"]:
            pod.stop(document["metadata"].get("deletionGracePeriodSeconds", 0))

    async def request(self, method: str, path: str, body: Any, content_type: str) -> None:
        """Send a write; a missing or replaced object (404, 409) is no error."""
        data, headers = json.dumps(body), {"Content-Type": content_type}
        while True:
            try:
                async with self._session.request(
                    method, path, data=data, headers=headers
                ) as response:
                    if response.status in (404, 409):
                        return
                    if response.status < 500 and response.status != 429:
                        assert response.status < 300, await response.text()
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)


class _Pod:
    """One pod: the methods that a behaviour calls, and the writes of the pod's status."""

    def __init__(self, kubelet: Kubelet, document: dict[str, Any], address: str) -> None:
        metadata = document["metadata"]
        self._kubelet = kubelet
        self._document = document
        self._address = address
        self._task: asyncio.Task[None] | None = None
        self._started: str | None = None
        self._removal: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self.name: str = metadata["name"]
        self.namespace: str = metadata["namespace"]
        self.stopping = asyncio.Event()
        self.ended = document.get("status", {}).get("phase") in ("Succeeded", "Failed")

    # The life of the pod.

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._behave())

    def stop(self, grace: int) -> None:
        """Handle a deletion timestamp as a kubelet does: SIGTERM, SIGKILL, removal of the pod."""
        self.stopping.set()
        if self._removal is None:
            self._removal = asyncio.get_running_loop().create_task(self._remove(grace))

    def cancel(self) -> None:
        for task in (self._task, self._removal):
            if task is not None and task is not asyncio.current_task():
                task.cancel()

    async def _behave(self) -> None:
        try:
            self.order = order_of(self._document)
            self.index = int(self._document["metadata"]["annotations"].get(INDEX_ANNOTATION, 0))
            self.workers = int(environment_of(self._document).get("ISHEEP_WORKERS", 1))
            self._behaviour = self._kubelet.workers(self.namespace).next_behaviour(self.order)
            await self._behaviour(self)
        except Exception:  # noqa: BLE001  the pod's test reports the error
            self._kubelet.errors.append(f"{self.namespace}/{self.name}: {traceback.format_exc()}")

    async def _remove(self, grace: int) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=min(grace, MAX_GRACE_SECONDS))
            if not self._task.done():
                self._task.cancel()
        if not self.ended:
            await self.end(KILLED, "", "Error")
        body = {
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": self._document["metadata"]["uid"]},
        }
        await self._kubelet.request("DELETE", self._path, body, "application/json")

    # What a behaviour calls.

    async def run(self) -> None:
        self._started = _now()
        if self._kubelet.writes_running and not self.stopping.is_set():
            await self._write("Running", {"running": {"startedAt": self._started}}, ready=True)

    async def wait(self, reason: str, message: str) -> None:
        await self._write("Pending", {"waiting": {"reason": reason, "message": message}})

    async def wait_in_init(self, container: str, reason: str, message: str) -> None:
        state = {"waiting": {"reason": reason, "message": message}}
        await self._write("Pending", INITIALIZING, init=_status(container, state))

    async def end_in_init(self, container: str, code: int) -> None:
        self._close()
        state = self._terminated(code, "", "Error")
        await self._write("Failed", INITIALIZING, init=_status(container, state))

    async def end(self, code: int, message: str = "", reason: str | None = None) -> None:
        self._close()
        reason = reason or ("Completed" if code == 0 else "Error")
        phase = "Succeeded" if code == 0 else "Failed"
        await self._write(phase, self._terminated(code, message, reason))

    async def end_beside(self, container: str, code: int, message: str, failed: int = 0) -> None:
        state = self._terminated(code, message, "Completed" if code == 0 else "Error")
        goes_on = {"running": {"startedAt": self._started or _now()}}
        other = self._terminated(failed, "", "Error") if failed else goes_on
        await self._write("Failed" if failed else "Running", state, sidecar=(container, other))

    async def disrupt(self, reason: str, code: int | None) -> None:
        self._close()
        target = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "message": "the test disrupts the pod",
            "lastTransitionTime": _now(),
        }
        state = {} if code is None else self._terminated(code, "", "Error")
        await self._write("Failed", state, extra=[target])

    async def serve_progress(
        self, done: int, total: int, committed: tuple[StepResult, ...] = (), waits_for: str = ""
    ) -> None:
        rows = [step.model_dump(mode="json", by_alias=True) for step in committed]
        document = {"itemsDone": done, "itemsTotal": total, "committed": rows}
        if waits_for:
            document["waitsFor"] = waits_for

        async def answer(_: web.BaseRequest) -> web.Response:
            return web.json_response(document)

        loop = asyncio.get_running_loop()
        port = int(environment_of(self._document)["ISHEEP_HTTP_PORT"])
        self._server = await loop.create_server(web.Server(answer), self._address, port)

    def result(self) -> StageResult:
        workers = self._kubelet.workers(self.namespace)
        return workers.execute(self.order, self.index, self.workers)

    def walk(self, limit: int) -> StageResult:
        return self._kubelet.workers(self.namespace).walk(self.order, limit)

    def is_set(self, behaviour: PodBehaviour) -> bool:
        return self._kubelet.workers(self.namespace).is_set(behaviour, self.order)

    # The status of the pod.

    def _close(self) -> None:
        self.ended = True
        if self._server is not None:
            self._server.close()

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def _terminated(self, code: int, message: str, reason: str) -> dict[str, Any]:
        state = {"exitCode": code, "reason": reason, "finishedAt": _now()}
        state["startedAt"] = self._started or state["finishedAt"]
        return {"terminated": state | ({"message": message} if message else {})}

    async def _write(
        self,
        phase: str,
        state: dict[str, Any],
        *,
        ready: bool = False,
        extra: list[dict[str, Any]] | None = None,
        sidecar: tuple[str, dict[str, Any]] | None = None,
        init: dict[str, Any] | None = None,
    ) -> None:
        container = self._document["spec"]["containers"][0]
        status: dict[str, Any] = {
            "phase": phase,
            "conditions": [*_conditions(phase, ready), *(extra or [])],
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": self._address,
            "podIPs": [{"ip": self._address}],
            "startTime": self._started or _now(),
        }
        if state:
            status["containerStatuses"] = [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": container["image"],
                    "restartCount": 0,
                    "ready": ready,
                    "started": ready,
                    "state": state,
                }
            ]
        if init is not None:
            status["initContainerStatuses"] = [init]
        if sidecar is not None:
            status["containerStatuses"].append(_status(*sidecar, ready=True))
        # With the UID, the patch cannot change a new pod of the same name.
        uid = self._document["metadata"]["uid"]
        body = {"metadata": {"uid": uid}, "status": status}
        while uid in self._kubelet.cut_off:
            await asyncio.sleep(0.1)
        await self._kubelet.request("PATCH", f"{self._path}/status", body, STRATEGIC_PATCH)


def register_node(server: ApiServer, name: str, labels: dict[str, str] | None = None) -> None:
    """Create a node that is ready for pods, unless it exists."""
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    created = server.request("POST", NODES, {"metadata": metadata})
    assert created.status in (201, 409), created.message
    # A controller that does not run here would remove the taint of a new node.
    server.must("PATCH", f"{NODES}/{name}", {"spec": {"taints": []}}, content_type=MERGE_PATCH)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": _now(),
        "lastTransitionTime": _now(),
    }
    status = {"capacity": CAPACITY, "allocatable": CAPACITY, "conditions": [ready]}
    path = f"{NODES}/{name}/status"
    server.must("PATCH", path, {"status": status}, content_type=MERGE_PATCH)


def _status(name: str, state: dict[str, Any], *, ready: bool = False) -> dict[str, Any]:
    """Return the status of a container that something else has put into the pod."""
    fields = {"name": name, "image": name, "imageID": name, "restartCount": 0}
    return {**fields, "ready": ready, "state": state}


def _address(number: int) -> str:
    return f"127.{LOOPBACK}.{number // 250 % 250}.{1 + number % 250}"


def _conditions(phase: str, ready: bool) -> list[dict[str, Any]]:
    done = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    reason = {} if ready else {"reason": done or "ContainersNotReady"}
    readiness = {"status": "True" if ready else "False", **reason}
    found = [
        {"type": "PodReadyToStartContainers", "status": "False" if done else "True"},
        {"type": "Initialized", "status": "True"},
        {"type": "Ready", **readiness},
        {"type": "ContainersReady", **readiness},
    ]
    return [{**condition, "lastTransitionTime": _now()} for condition in found]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""A run on real pods, with interruptions, produces exactly the data of `isheep run`.

The model is the tiny chat model of the local end-to-end tests, read from a bucket; the engine
is Transformers in float32. During the run, the tests delete a pod, kill a worker process as
the kernel does when memory is short, and drain the node.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import generated_code
import pytest
import yaml
from cluster import processes, settings
from cluster.bucket import Bucket
from cluster.clients import Clients, wait_until
from support import TESTS, load
from timeline import Timeline

ISHEEP = str(Path(sysconfig.get_path("scripts")) / "isheep")
NAME = "tiny"
PODS = 2
"""The pods that generate and assess together; they walk through the stages of their Jobs."""
RUN_SECONDS = 1500
STAGE_SECONDS = 300


@dataclass
class Local:
    """A run of `isheep run` on this machine: its file, its process, and its output."""

    file: Path
    process: subprocess.Popen[bytes]
    output: Path

    def await_end(self) -> None:
        """Wait until the run has succeeded."""
        code = self.process.wait(RUN_SECONDS)
        assert code == 0, self.output.read_text()[-6000:]


@dataclass
class Finished:
    """A run that has ended on the cluster: its file, its last version, and its timeline."""

    file: Path
    document: Any
    timeline: Timeline
    local: Local
    """The same run on this machine, which may still go on."""


@pytest.fixture(scope="module")
def document(bucket: Bucket) -> dict[str, Any]:
    """The run as a user writes it."""
    local = TESTS / "e2e_local"
    folder = load("isheep_tiny_chat_model", local / "tiny_chat_model.py").tiny_chat_model()
    spec = load("isheep_local_command", local / "command.py").TINY_SPEC
    limits = {"limits": {"cpu": "1", "memory": "3Gi"}, "requests": {"cpu": "100m"}}
    return {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": NAME, "namespace": "team-a"},
        "spec": {
            **spec,
            "model": {"storageUri": bucket.put_folder(folder, "models/tiny-chat-model")},
            "engine": {"type": "Transformers", "dtype": "Float32"},
            "storage": bucket.storage("cluster"),
            "evaluation": generated_code.evaluation(
                bucket.put_text(generated_code.problems(), "benchmarks/confined.jsonl")
            ),
            "compute": {
                "inference": {"resources": limits, "parallelism": PODS},
                "training": {"resources": limits},
                "processing": {"resources": limits},
            },
        },
    }


@pytest.fixture(scope="module")
def local(
    document: dict[str, Any], bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Local]:
    """The same run on this machine, started. It uses the time in which the pods start."""
    spec = {**document["spec"], "storage": bucket.storage("local")}
    del spec["evaluation"]
    folder = tmp_path_factory.mktemp("local")
    file, output = folder / "run.yaml", folder / "output"
    file.write_text(yaml.safe_dump({**document, "spec": spec}))
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [ISHEEP, "run", str(file)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield Local(file, process, output)
    finally:
        # Its workers end when it has ended.
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def finished(
    document: dict[str, Any],
    local: Local,
    operator: Clients,
    team: Clients,
    tmp_path_factory: pytest.TempPathFactory,
) -> Finished:
    """Apply the run, interrupt it, and wait for its end."""
    with Timeline(team, NAME) as timeline:
        team.apply(document)
        delete_a_pod(team, stage="generate", iteration=1)
        kill_a_worker(team, stage="train", iteration=1)
        drain_the_node(operator, team, stage="generate", iteration=2)
        run = wait_until("the run", lambda: final(team), RUN_SECONDS)
    file = tmp_path_factory.mktemp("cluster") / "run.yaml"
    file.write_text(yaml.safe_dump(document))
    return Finished(file, run, timeline, local)


def test_the_run_succeeds_and_its_status_is_complete(finished: Finished, team: Clients) -> None:
    status = finished.document["status"]
    assert status["phase"] == "Succeeded", why(finished, team)
    true = {c["type"] for c in status["conditions"] if c["status"] == "True"}
    assert {"Complete", "Ready"} <= true
    assert status["modelUri"].startswith("s3://")
    assert [record["iteration"] for record in status["history"]] == [1, 2]


def test_interrupted_stages_have_more_than_one_pod(finished: Finished) -> None:
    pods = {job.stage: len(job.pods) for job in finished.timeline.jobs.values()}
    for stage, without_interruption in (
        ("i1/generate/r1", PODS),
        ("i1/train", 1),
        ("i2/generate/r1", PODS),
    ):
        assert pods[stage] > without_interruption, pods


def test_generation_and_assessment_are_one_job_each(finished: Finished) -> None:
    stages = [job.stage for job in finished.timeline.jobs.values()]
    names = ("generate", "curate", "respond", "assess")
    inference = [stage for stage in stages if stage.split("/")[1] in names]
    assert sorted(set(inference)) == [
        "i1/assess",
        "i1/generate/r1",
        "i2/assess",
        "i2/generate/r1",
    ], stages


def test_the_data_equals_the_data_of_isheep_run_on_one_machine(
    finished: Finished,
) -> None:
    finished.local.await_end()
    for iteration in (1, 2):
        words = ("--iteration", str(iteration), "--output", "-")
        expected = isheep("export", str(finished.local.file), *words)
        assert expected
        assert isheep("export", str(finished.file), *words) == expected


def test_generated_code_runs_in_the_confined_container(
    finished: Finished, team: Clients, tmp_path: Path
) -> None:
    """Each problem of the benchmark looks for something that its container must not have."""
    conditions = finished.document["status"]["conditions"]
    assert not [c for c in conditions if c["type"] == "Evaluated" and c["status"] == "False"]
    isheep("export", str(finished.file), "--evaluation", "--output", str(tmp_path / "results"))
    files = sorted((tmp_path / "results").iterdir())
    assert [file.name[:2] for file in files] == ["M0", "M1", "M2"]
    for file in files:
        found = json.loads(file.read_text())["results"]["humaneval"]
        assert found["pass@1,create_test"] == pytest.approx(generated_code.SOLVED), found


def test_the_time_between_jobs_is_reported(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{finished.timeline.report()}")  # noqa: T201
    assert finished.timeline.overheads()


def test_pods_are_restricted_and_have_no_token(finished: Finished, team: Clients) -> None:
    (namespace,) = [n for n in team.get("namespaces")["items"] if named(n) == team.namespace]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for job in team.find("jobs", run=NAME):
        assert job["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_the_deletion_of_a_run_deletes_its_jobs_and_pods(finished: Finished, team: Clients) -> None:
    team.kubectl("delete", "sheep", NAME, "--timeout=60s")
    deleted = lambda: None if team.find("jobs,pods", run=NAME) else True  # noqa: E731
    wait_until("the end of its Jobs", deleted, 60)


def test_the_uninstallation_keeps_the_crd_only(finished: Finished, operator: Clients) -> None:
    operator.helm("uninstall", "isheep-operator", "--wait", "--timeout=120s")
    # The pod has its grace period to end. Events are no part of a release and expire.
    labelled = ("--all-namespaces", "--selector=app.kubernetes.io/instance=isheep-operator")
    kinds = ",".join(kinds_without_events(operator))
    wait_until("its end", lambda: None if operator.get(kinds, *labelled)["items"] else True, 60)
    operator.kubectl("get", "crd", "selfalignmentruns.isheep.dev")
    own = ",".join(kinds_without_events(operator, "--namespaced"))
    kept = {"kube-root-ca.crt", "default"}

    def remaining() -> list[str]:
        return [
            f"{i['kind']} {named(i)}" for i in operator.get(own)["items"] if named(i) not in kept
        ]

    with contextlib.suppress(TimeoutError):
        wait_until("the garbage collection", lambda: None if remaining() else True, 20)
    assert remaining() == []


def delete_a_pod(team: Clients, **labels: object) -> None:
    """Delete a pod of a stage after its worker has started."""
    pod = working_pod(team, **labels)
    team.kubectl("delete", "pod", named(pod), "--wait=false")


def kill_a_worker(team: Clients, **labels: object) -> None:
    """Kill the process that executes a stage, as the kernel does, but not its supervisor."""
    pod = working_pod(team, **labels)

    def killed() -> bool | None:
        for process in worker_processes(pod["metadata"]["uid"]):
            os.kill(process, signal.SIGKILL)
            return True
        return None

    wait_until(f"a process of {named(pod)}", killed, 30)


def worker_processes(pod_uid: str) -> list[int]:
    """Return the pids on this machine of a pod's `python -m isheep_worker work`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text().replace("_", "-")
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if pod_uid in group and b"isheep_worker" in words and b"work" in words:
            found.append(int(folder.name))
    return found


def drain_the_node(operator: Clients, team: Clients, **labels: object) -> None:
    """Drain the node, with the operator, while a stage runs, and uncordon it."""
    working_pod(team, **labels)
    drain = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=180s")
    operator.kubectl("drain", settings.NODE_NAME, *drain)
    try:
        pods = operator.within("").get("pods", "--all-namespaces")["items"]
        assert not [pod for pod in pods if pod["status"]["phase"] == "Running"]
        time.sleep(2)
    finally:
        operator.kubectl("uncordon", settings.NODE_NAME)


def working_pod(team: Clients, **labels: object) -> Any:
    """Wait until a pod of a stage runs its worker, and return the pod."""
    words = {name: str(value) for name, value in labels.items()}

    def running() -> Any:
        for pod in team.find("pods", run=NAME, **words):
            states = [s["state"] for s in pod["status"].get("containerStatuses", [])]
            if "deletionTimestamp" not in pod["metadata"] and any("running" in s for s in states):
                return pod
        run = final(team)
        assert run is None, run["status"]
        return None

    return wait_until(f"a pod of {words}", running, STAGE_SECONDS, 0.2)


def final(team: Clients) -> Any:
    """Return the run if it has succeeded or failed, else None."""
    run = team.get("sheep", NAME)
    return run if run.get("status", {}).get("phase") in ("Succeeded", "Failed") else None


def why(finished: Finished, team: Clients) -> str:
    """Return the failure, the Events and the kubelet's log of a failed run."""
    status = json.dumps(finished.document["status"].get("lastFailure"))
    events = team.kubectl("get", "events", "--sort-by=.lastTimestamp")
    return f"{status}\n{events[-3000:]}\n{processes.tail(processes.log('kubelet'))}"


def kinds_without_events(clients: Clients, *options: str) -> list[str]:
    names = clients.kubectl("api-resources", "--verbs=list", "--output=name", *options)
    return [name for name in names.split() if not name.startswith("events")]


def isheep(*words: str) -> str:
    """Run the command line on this machine and return its output."""
    done = subprocess.run(
        [ISHEEP, *words], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def environment() -> dict[str, str]:
    """Return the environment of the command line on this machine."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def named(document: Any) -> str:
    return str(document["metadata"]["name"])

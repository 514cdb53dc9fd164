"""How the pods of a Job ended, with messages of real kubelets."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.contract.order import Outcome, parse_result
from isheep.kube.pods.pod_endings import TAIL_CHARACTERS, Ending, how_ended, only_others_failed
from isheep.kube.pods.pod_records import PodRecord, pod_record

from ..builders import at, condition, pod_json, result_text, terminated

POD = "run-respond-abc-0-x"


def pod(**fields: Any) -> PodRecord:
    return pod_record(pod_json(**fields))


def ended(code: int, message: str = "", **fields: Any) -> PodRecord:
    phase = "Succeeded" if code == 0 else "Failed"
    extra = fields.pop("terminated", {})
    return pod(phase=phase, state=terminated(code, message, **extra), **fields)


DISRUPTED = [condition("DisruptionTarget")]


@pytest.mark.parametrize(
    ("one", "code", "disrupted", "message"),
    [
        (ended(64), 64, False, f"{POD} ended with exit code 64"),
        (ended(69), 69, False, f"{POD} ended with exit code 69"),
        (ended(1, "Traceback\n  boom\n"), 1, False, "exit code 1; its log ends: Traceback boom"),
        (ended(137), 137, False, "exit code 137: it was killed from outside"),
        (ended(137, "last words"), 137, False, "exit code 137; its log ends: last words"),
        (
            ended(137, "words", terminated={"reason": "OOMKilled"}),
            137,
            False,
            "was killed at its memory limit (OOMKilled): raise resources.limits.memory of its pool",
        ),
        # The kernel can kill a child process of the worker, and the worker then exits with a code.
        (ended(70, terminated={"reason": "OOMKilled"}), 70, False, "(OOMKilled)"),
        (ended(143, conditions=DISRUPTED), 143, True, f"{POD} ended with exit code 143"),
        (
            pod(
                phase="Failed",
                reason="Evicted",
                message="The node was low on resource: ephemeral-storage.",
                conditions=DISRUPTED,
            ),
            None,
            True,
            f"{POD} failed: Evicted The node was low on resource: ephemeral-storage.",
        ),
        (
            pod(
                phase="Failed",
                reason="Evicted",
                message="Pod ephemeral local storage usage exceeds the total limit of 1Gi.",
                state=terminated(137),
            ),
            137,
            False,
            f"{POD} failed: Evicted Pod ephemeral local storage usage exceeds the total limit",
        ),
        (
            pod(
                phase="Failed",
                reason="UnexpectedAdmissionError",
                message="Pod was rejected: Allocate failed due to no healthy devices present",
            ),
            None,
            False,
            f"{POD} failed: UnexpectedAdmissionError Pod was rejected: Allocate failed due to no "
            "healthy devices present",
        ),
        (
            pod(phase="Failed", state={"running": {"startedAt": at(1)}}, conditions=DISRUPTED),
            None,
            True,
            f"{POD} failed: its node was lost",
        ),
    ],
    ids=[
        "exit code 64",
        "exit code 69",
        "a log",
        "killed",
        "killed with a log",
        "out of memory",
        "child process out of memory",
        "drained",
        "evicted",
        "killed for its use of the disk",
        "rejected by the node",
        "node lost",
    ],
)
def test_a_pod_without_a_result_has_its_exit_code_and_its_log(
    one: PodRecord, code: int | None, disrupted: bool, message: str
) -> None:
    found = how_ended([one])
    assert (found.results, found.exit_code, found.pod) == ((), code, POD)
    assert found.disrupted == disrupted
    assert found.message is not None
    assert message in found.message


@pytest.mark.parametrize("code", [64, 69, 70, 74, 80])
def test_the_message_of_a_result_replaces_the_log(code: int) -> None:
    text = result_text(Outcome.FAILED, exit_code=code, reason="ModelNotFound", message="no model")
    found = how_ended([ended(code, text)])
    (result,) = found.results
    assert (result.exit_code, result.reason) == (code, "ModelNotFound")
    assert (found.exit_code, found.message, found.pod) == (code, "no model", POD)


def test_a_result_without_a_message_has_the_message_of_its_exit_code() -> None:
    found = how_ended([ended(70, result_text(Outcome.FAILED, exit_code=70))])
    assert found.message is not None
    assert found.message.startswith(f"{POD} ended with exit code 70")


def test_a_committed_result_is_returned() -> None:
    text = result_text()
    assert how_ended([ended(0, text)]) == Ending(results=(parse_result(text),))


def test_the_ending_without_pods_is_empty() -> None:
    assert how_ended([]) == Ending()


@pytest.mark.parametrize("message", ["", "no JSON", "[]", '{"outcome": "Well"}', "7", "null"])
def test_a_message_that_cannot_be_parsed_is_a_log(message: str) -> None:
    assert how_ended([ended(0, message)]).results == ()


def test_a_log_that_ends_in_brackets_is_a_log() -> None:
    assert how_ended([ended(1, "[" * 2048)]).results == ()


def test_a_long_log_is_cut_at_its_beginning() -> None:
    found = how_ended([ended(1, "a" * 1000 + "the cause")])
    assert found.message is not None
    assert found.message.endswith("a" * (TAIL_CHARACTERS - 9) + "the cause")
    assert len(found.message) < TAIL_CHARACTERS + 100


LOST = result_text(Outcome.FAILED, exit_code=69, reason="PeerUnreachable", message="gone")


def late(code: int, message: str = "", seconds: int = 300, **fields: Any) -> PodRecord:
    return ended(code, message, terminated={"finishedAt": at(seconds)}, **fields)


@pytest.mark.parametrize(
    ("pods", "cause"),
    [
        ([ended(0, name="a"), ended(1, name="b")], "b"),
        ([late(1, name="a", seconds=61), late(1, name="b", seconds=62)], "b"),
        # A pod with a final exit code ended the Job, and the other pods were killed afterwards.
        ([late(70, name="a", seconds=61), late(143, name="b", seconds=99)], "a"),
        ([late(64, name="a", seconds=61), late(137, name="b", seconds=99)], "a"),
        ([late(80, name="a", seconds=61), late(1, name="b", seconds=99)], "a"),
        ([late(1, name="a", seconds=61), late(69, name="b", seconds=99)], "b"),
        # A node that lost another node of its training is not the cause of its failure.
        ([late(137, name="a", seconds=61), late(69, LOST, name="b", seconds=99)], "a"),
        (
            [
                late(143, name="a", seconds=61, conditions=DISRUPTED),
                late(69, LOST, name="b", seconds=99),
            ],
            "a",
        ),
        ([late(69, LOST, name="a", seconds=61), ended(0, name="b")], "a"),
        (
            [late(1, name="a", seconds=61), late(143, name="b", seconds=99, conditions=DISRUPTED)],
            "a",
        ),
        (
            [late(70, name="a", seconds=61, conditions=DISRUPTED), late(1, name="b", seconds=99)],
            "a",
        ),
        ([late(1, name="a", seconds=61), pod(name="b", phase="Failed", reason="Evicted")], "a"),
        ([pod(name="a", phase="Failed"), ended(0, name="b")], "a"),
    ],
    ids=[
        "the pod that failed",
        "the last failure",
        "a defect",
        "bad input",
        "exhausted device memory",
        "not a failure that is retried",
        "not a pod that lost its peer",
        "not a pod that lost a disrupted peer",
        "a pod that lost a deleted peer",
        "not a disrupted pod",
        "a defect of a disrupted pod",
        "a pod with an end time",
        "a pod without a container status",
    ],
)
def test_the_ending_of_several_pods_is_that_of_the_cause(pods: list[PodRecord], cause: str) -> None:
    for order in (pods, pods[::-1]):
        assert how_ended(order).pod == cause


def test_all_results_are_read() -> None:
    partial = result_text(Outcome.PARTIAL)
    pods = [
        ended(0, partial, name="a"),
        ended(1, "no result", name="b"),
        ended(0, result_text(), name="c"),
        pod(name="d", phase="Running"),
    ]
    found = how_ended(pods)
    assert [r.outcome for r in found.results] == [Outcome.PARTIAL, Outcome.COMMITTED]
    assert found.pod == "b"


def test_pods_that_still_run_have_no_ending() -> None:
    assert how_ended([pod(phase="Running", state={"running": {"startedAt": at(1)}})]) == Ending()


def test_a_worker_beside_a_container_that_goes_on_has_ended() -> None:
    done = pod(name="done", phase="Running", state=terminated(0, result_text()))
    assert len(how_ended([done]).results) == 1
    assert how_ended([done]).pod is None
    broken = pod(name="broken", phase="Running", state=terminated(70, "boom"), index=1)
    ending = how_ended([done, broken])
    assert (ending.exit_code, ending.pod, len(ending.results)) == (70, "broken", 1)


def test_an_init_container_that_failed_is_in_the_message() -> None:
    document = pod_json(phase="Failed", state={"waiting": {"reason": "PodInitializing"}})
    state = {"terminated": {"exitCode": 3}}
    document["status"]["initContainerStatuses"] = [{"name": "proxy", "state": state}]
    message = how_ended([pod_record(document)]).message
    assert message == f"the init container proxy of {POD} ended with exit code 3"


def beside(code: int = 0, index: int = 0, phase: str = "Failed") -> PodRecord:
    """Return a pod whose worker has ended, and whose other container has ended with an error."""
    document = pod_json(f"p-{index}", phase=phase, state=terminated(code), index=index)
    document["status"]["containerStatuses"][0]["state"] = terminated(1)
    return pod_record(document)


def test_a_container_that_fails_beside_the_worker_is_named() -> None:
    message = how_ended([beside()]).message
    assert message == "the worker of p-0 ended well, and the container istio-proxy beside it failed"


def test_work_is_done_if_only_other_containers_have_failed() -> None:
    done = pod(name="p-1", phase="Succeeded", state=terminated(0), index=1)
    assert only_others_failed([beside()], 1)
    assert only_others_failed([beside(), done], 2)
    assert not only_others_failed([beside()], 2)
    assert not only_others_failed([beside(code=1)], 1)
    assert not only_others_failed([done], 1)


def test_an_eviction_during_an_init_container_is_the_cause() -> None:
    """The kubelet ends the init containers of a pod that it evicts."""
    text = "The node was low on resource: ephemeral-storage."
    document = pod_json(phase="Failed", reason="Evicted", message=text)
    state = {"terminated": {"exitCode": 137}}
    document["status"]["initContainerStatuses"] = [{"name": "proxy", "state": state}]
    assert how_ended([pod_record(document)]).message == f"{POD} failed: Evicted {text}"

"""What the operator's configuration chooses, and the pages that the operator serves."""

from __future__ import annotations

from .harness.concurrent_tests import OperatorFactory, exclusive
from .harness.operator_process import SHORT_WAITS
from .harness.pod_behaviour import Hold
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]


def test_the_operator_ignores_runs_outside_the_watched_namespaces(
    operators: OperatorFactory,
) -> None:
    environment, namespace = operators()
    environment.start()
    other = f"{namespace.name}-other"
    namespace.cluster.open_namespace(other)
    path = f"/apis/isheep.dev/v1alpha1/namespaces/{other}/selfalignmentruns"
    namespace.api.must("POST", path, FROM_TRAIN.document())
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert namespace.api.get(f"{path}/run")["status"] == {"observedGeneration": -1}
    assert not [r for r in environment.proxy.requests if f"/{other}/" in r.path]
    namespace.cluster.close_namespace(other)


@exclusive
def test_the_operator_watches_all_namespaces_if_the_list_is_empty(
    operators: OperatorFactory,
) -> None:
    environment, namespace = operators(watchNamespaces=[])
    environment.start()
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER
    assert any(r.path == "/apis/batch/v1/jobs" for r in environment.proxy.requests)


def test_the_installed_command_works_with_its_default_timings(operators: OperatorFactory) -> None:
    """The command runs unpatched, as the chart starts it."""
    environment, namespace = operators(patches={}, timings={})
    environment.start()
    namespace.create(Run().skip_to("i1/report"))
    namespace.until_phase("Succeeded")
    status, text = environment.operator.page("/metrics")
    assert status == 200
    assert "isheep_" in text
    assert environment.operator.stop() == 0


def test_an_invalid_configuration_ends_the_operator_with_a_message(
    operators: OperatorFactory,
) -> None:
    environment, _ = operators(patches={}, workerImage="")
    environment.operator.start(wait=False)
    assert environment.operator.wait() == 64
    assert "workerImage" in environment.operator.tail()


def test_the_metrics_count_runs_and_the_probes_succeed(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold(), run="held")
    namespace.create(FROM_TRAIN.named("held"))
    namespace.create(Run("suspended").spec(suspend=True))
    namespace.until_running("i1/train", "held")
    namespace.until_phase("Suspended", "suspended")
    assert environment.operator.page_status("/healthz") == 200
    assert environment.operator.page_status("/readyz") == 200
    assert environment.operator.page_status("/elsewhere") == 404

    def counts(phase: str) -> bool:
        return f'isheep_runs{{phase="{phase}"}} 1.0' in environment.operator.page("/metrics")[1]

    # The operator's watch can be later than the observer's.
    namespace.until(lambda: counts("Running") and counts("Suspended"))
    namespace.delete("held")
    namespace.until(lambda: counts("Suspended") and not counts("Running"))


def test_the_status_shows_the_progress_of_a_pod(operators: OperatorFactory) -> None:
    port = {"isheep.kube.names:HTTP_PORT": 18080}
    environment, namespace = operators(patches={**port, **SHORT_WAITS})
    environment.start()
    namespace.workers.set_behaviour("respond", Hold(progress=(41, 100)))
    namespace.create(Run().spec(instructions={"count": 100}).skip_to("i1/respond"))
    namespace.until(lambda: namespace.status().get("stage", {}).get("itemsDone") == 41)
    assert namespace.status()["progress"] == "1/1 respond 41%"
    assert namespace.status()["stage"]["itemsTotal"] == 100
    namespace.workers.let_work("respond")
    namespace.until_phase("Succeeded")

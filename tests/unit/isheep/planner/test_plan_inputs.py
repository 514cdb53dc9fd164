"""Inputs of a plan: storage, ConfigMaps, and a spec that cannot be parsed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.planner.types import Environment, Plan, PodFolders, Start, Stop

from .scenarios import conditions_of, one_iteration, run_until
from .simulation import SPEC, PlannerSimulation, make_run

STORE = StoreSpec(folder=FolderStoreSpec(path="/somewhere"))


def test_storage_comes_from_the_run_or_from_the_installation() -> None:
    spec = {k: v for k, v in SPEC.items() if k != "storage"}
    simulation = PlannerSimulation(make_run(spec))
    planned = simulation.run_pass()
    assert conditions_of(planned.status)["Stalled"] == ("True", "NoStorage")
    assert planned.wake_at is not None
    simulation.environment = Environment(default_storage=STORE)
    (start,) = (a for a in simulation.run_pass().actions if isinstance(a, Start))
    assert start.order.store == STORE
    assert simulation.run_to_end().model_uri is not None


def without_storage() -> PlannerSimulation:
    """Return a run that names no store, and whose installation has one."""
    simulation = one_iteration()
    spec = {name: value for name, value in simulation.run.spec.items() if name != "storage"}
    simulation.run = replace(simulation.run, spec=spec)
    simulation.environment = replace(simulation.environment, default_storage=STORE)
    return simulation


def lose_storage(simulation: PlannerSimulation) -> None:
    simulation.environment = replace(simulation.environment, default_storage=None)


def restore_storage(simulation: PlannerSimulation) -> None:
    simulation.environment = replace(simulation.environment, default_storage=STORE)


def test_a_job_at_work_goes_on_without_the_store_of_the_installation_until_somebody_suspends() -> (
    None
):
    simulation = without_storage()
    working = run_until(simulation, "i1/generate/r1")
    lose_storage(simulation)
    assert simulation.run_pass().status.phase == "Running"
    simulation.edit(suspend=True)
    stops = [action.attempt for action in simulation.run_pass().actions if isinstance(action, Stop)]
    assert stops == [working]
    assert (simulation.run.status.phase, simulation.run.status.start_time) == ("Suspended", None)
    simulation.finish_stops()
    simulation.edit(suspend=False)
    assert conditions_of(simulation.run_pass().status)["Stalled"] == ("True", "NoStorage")
    restore_storage(simulation)
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_retry_counts_without_a_store() -> None:
    simulation = without_storage()
    while simulation.run.status.phase != "Failed":
        simulation.now += timedelta(hours=1)
        simulation.run_pass()
        for name in simulation.active():
            simulation.fail(name, 1)
    lose_storage(simulation)
    simulation.now += timedelta(days=3)
    simulation.retry("1")
    status = simulation.run_pass().status
    assert conditions_of(status)["Stalled"] == ("True", "NoStorage")
    assert status.start_time == simulation.now
    assert [record.failures for record in status.stages] == [0]
    restore_storage(simulation)
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_run_without_a_store_ends_when_the_places_of_its_results_are_known() -> None:
    simulation = without_storage()
    simulation.complete(run_until(simulation, "i1/report"))
    lose_storage(simulation)
    planned = simulation.run_until_idle()
    assert conditions_of(planned.status)["Stalled"] == ("True", "NoStorage")
    assert planned.wake_at is not None
    restore_storage(simulation)
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    assert (status.report_uri or "").startswith(STORE.uri)


def test_a_run_in_a_cluster_cannot_use_a_folder_as_storage() -> None:
    simulation = PlannerSimulation(make_run({**SPEC, "storage": {"folder": {"path": "data"}}}))
    assert conditions_of(simulation.run_pass().status)["Stalled"] == ("True", "FolderStorage")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"storageUri": "file:///models/tiny"}},
        {"seedTasks": {"storageUri": "file:///proc/self/environ"}},
    ],
)
def test_a_run_in_a_cluster_cannot_read_a_file(changes: dict[str, Any]) -> None:
    simulation = one_iteration(**changes)
    simulation.environment = Environment(pods=PodFolders("/claims", "/config-maps"))
    planned = simulation.run_pass()
    assert conditions_of(planned.status)["Stalled"] == ("True", "FileSource")
    assert not [action for action in planned.actions if isinstance(action, Start)]
    # `isheep run` can.
    simulation.environment = Environment()
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_missing_config_map_stalls_the_run_until_it_exists() -> None:
    simulation = one_iteration(
        seedTasks={"configMapRef": {"name": "seeds", "key": "tasks.jsonl"}},
        promptsRef={"name": "prompts"},
    )
    assert conditions_of(simulation.run_pass().status)["Stalled"] == ("True", "ConfigMapNotFound")
    simulation.environment = Environment(
        config_maps={"seeds": "/a/seeds", "prompts": "/a/prompts/"}
    )
    (start,) = (a for a in simulation.run_pass().actions if isinstance(a, Start))
    assert start.order.sources.seed_tasks == "file:///a/seeds/tasks.jsonl"
    assert start.order.sources.templates == "/a/prompts"
    # Only prepare reads them, so a user may delete them afterwards.
    simulation.complete(simulation.find("prepare"))
    simulation.environment = Environment()
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_spec_that_cannot_be_parsed_fails_the_run_until_an_edit() -> None:
    simulation = PlannerSimulation(make_run({**SPEC, "iterations": "three"}))
    planned = simulation.run_pass()
    assert conditions_of(planned.status)["Failed"] == ("True", "InvalidSpec")
    assert "spec.iterations" in planned.status.conditions[0].message
    # One more pass removes the attempts of an earlier generation.
    assert planned.wake_at == simulation.now
    assert simulation.run_pass() == Plan((), planned.status, None)
    simulation.edit(iterations=1)
    assert simulation.run_to_end().phase == "Succeeded"

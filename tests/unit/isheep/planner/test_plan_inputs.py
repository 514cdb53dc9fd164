"""Inputs of a plan: storage, ConfigMaps, and a spec that cannot be parsed."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.planner.types import Environment, Plan, PodFolders, Start

from .scenarios import conditions_of, one_iteration
from .simulation import SPEC, PlannerSimulation, make_run


def test_storage_comes_from_the_run_or_from_the_installation() -> None:
    spec = {k: v for k, v in SPEC.items() if k != "storage"}
    simulation = PlannerSimulation(make_run(spec))
    planned = simulation.run_pass()
    assert conditions_of(planned.status)["Stalled"] == ("True", "NoStorage")
    assert planned.wake_at is not None
    store = StoreSpec(folder=FolderStoreSpec(path="/somewhere"))
    simulation.environment = Environment(default_storage=store)
    (start,) = (a for a in simulation.run_pass().actions if isinstance(a, Start))
    assert start.order.store == store
    assert simulation.run_to_end().model_uri is not None


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

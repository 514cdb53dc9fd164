"""A restore of runs: into the same cluster, or into a new one that has the store only.

A new cluster is another operator and another namespace, whose runs have other UIDs. Its workers get
a copy of the store. `docs/how-to/back-up-and-restore.md` has the commands.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .harness.concurrent_tests import OperatorFactory, takes_long
from .harness.namespace_fixture import NamespaceFixture
from .harness.operator_process import UPGRADE
from .harness.pod_behaviour import Hold
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]
PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/back-up-and-restore.md"
FILTER_BEGIN, FILTER_END = "| jq '", "' > runs.json"


def keys_of(status: dict[str, Any]) -> dict[str, str]:
    """Return the keys of all stages by their ids."""
    return {stage["id"]: stage["key"] for stage in status["stages"]}


def copied_store(before: NamespaceFixture, after: NamespaceFixture) -> None:
    """Copy a store, as a bucket that two clusters use."""
    after.workers.store.update(before.workers.store)


def test_a_deleted_run_that_is_created_again_adopts_its_stages(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    before = keys_of(namespace.status())
    uid = namespace.run()["metadata"]["uid"]
    namespace.delete()
    namespace.until(lambda: not namespace.jobs())
    assert namespace.create(FROM_TRAIN)["metadata"]["uid"] != uid
    namespace.until_phase("Succeeded")
    assert keys_of(namespace.status()) == before
    assert namespace.started() == [*ORDER, "prepare", "i1/report"]
    for stage in ("i1/train", "i1/merge"):
        assert namespace.workers.committed[before[stage]] == 1


@pytest.mark.long
@takes_long
def test_a_new_cluster_with_the_store_goes_on_with_the_first_stage_that_is_not_committed(
    operators: OperatorFactory,
) -> None:
    """The first cluster is lost while the second iteration trains."""
    run = Run().spec(iterations=2)
    environment, before = operators()
    environment.start()
    before.workers.set_behaviour("i2/train", Hold())
    before.create(run)
    before.until_running("i2/train")
    before.until(lambda: "i2/select" in keys_of(before.status()))
    environment.operator.kill()

    environment, after = operators()
    copied_store(before, after)
    environment.start()
    after.create(run)
    after.until_phase("Succeeded")
    # The store has all other results: prepare reports them, or their Jobs find them.
    done = {stage["id"]: stage for stage in before.status()["stages"] if stage.get("committed")}
    keys = keys_of(after.status())
    for name, stage in done.items():
        assert keys[name] == stage["key"]
        if name != "prepare":
            assert after.workers.committed[stage["key"]] == 0, f"{name} was made again"
    assert after.workers.committed[keys["i2/train"]] == 1
    assert [name for name in after.started() if name.endswith("/train")] == ["i2/train"]


@pytest.mark.long
@takes_long
@pytest.mark.parametrize("with_status", [False, True], ids=["without-status", "with-status"])
def test_runs_are_restored_by_the_commands_of_the_page(
    operators: OperatorFactory, *, with_status: bool
) -> None:
    """The operator of the new cluster has other versions of the stages."""
    if shutil.which("jq") is None:
        pytest.skip("the page's backup needs jq")
    environment, before = operators()
    environment.start()
    before.create(FROM_TRAIN.spec(randomSeed=5))
    before.until_phase("Succeeded")
    # The old cluster has a later generation than the restored run.
    before.edit(training={"numTrainEpochs": 3})
    before.until_phase("Succeeded")
    before.until(lambda: not before.jobs())
    saved = json.loads(before.kubectl("get", "selfalignmentruns", "-o", "json").stdout)
    done = subprocess.run(
        ["jq", jq_filter()], input=json.dumps(saved), capture_output=True, text=True, check=True
    )
    environment.operator.kill()

    environment, after = operators(patches=UPGRADE)
    copied_store(before, after)
    # Only here, two clusters are two namespaces.
    text = done.stdout.replace(before.name, after.name)
    path = environment.folder / "runs.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    after.kubectl("create", "-f", str(path))
    if with_status:
        after.kubectl("replace", "--subresource=status", "-f", str(path))
    environment.start()
    after.until_phase("Succeeded")
    if with_status:
        assert after.started() == []
        assert keys_of(after.status()) == keys_of(before.status())
    else:
        # The status pins the versions of the stages, so without it they are those of the operator.
        assert "i1/train" in after.started()


def jq_filter() -> str:
    """Return the filter of the page's backup."""
    text = PAGE.read_text("utf-8")
    begin = text.index(FILTER_BEGIN) + len(FILTER_BEGIN)
    return text[begin : text.index(FILTER_END, begin)]

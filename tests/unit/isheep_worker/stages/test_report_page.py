"""The report of a complete run: its funnel, its page in a browser, and the file with all pairs."""

from __future__ import annotations

import gzip
import html
import json
import shutil
from pathlib import Path

import yaml

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import RunRef
from isheep.planner.orders import step_of
from isheep.planner.walk import walk
from isheep.recipes.builders.prepare import data_fields
from isheep.recipes.defaults import resolve
from isheep.recipes.registry import RECIPES
from isheep.store.documents import RunDocuments
from isheep.store.folder import FolderStore
from isheep_worker.report.funnel import FunnelStep, funnel
from isheep_worker.rows.schema import SELECTIONS
from isheep_worker.stages.report import stage_figures

from ..browser import PHONE, Page, chromium
from ..funnel_check import explained
from .conftest import VERSIONS, order_for

RUN = RunRef(namespace="default", name="demo", uid="uid-1")


def report(driver) -> dict:
    return json.loads(RunDocuments(driver.artifacts.store, RUN).read("report.json"))


def test_the_funnel_of_a_run_adds_up(finished_run, clustered_run) -> None:
    (iteration,) = report(finished_run)["iterations"]
    steps = explained([FunnelStep(**{**step, "examples": ()}) for step in iteration["funnel"]])
    select, train = (finished_run.statistics[f"i1/{kind}"] for kind in ("select", "train"))
    last = {step.label: step.count for step in steps[-4:]}
    assert last["pairs kept: D(t)"] == select["kept"]
    assert last["pairs held out for validation"] == train["validationSamples"] > 0
    assert last["pairs trained on"] == train["samples"]
    stages = [stage for stage in clustered_run.statistics if "/" in stage]
    manifests = [clustered_run.artifacts.manifest(clustered_run.key(stage)) for stage in stages]
    clustered = explained(funnel(1, [stage_figures(manifest) for manifest in manifests]))
    assert "pairs measured" in {step.label for step in clustered}


def test_the_page_of_a_run_has_no_barrier_and_fits_a_phone(finished_run, tmp_path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(RunDocuments(finished_run.artifacts.store, RUN).read("report.html"))
    with chromium() as browser:
        page = Page(browser, file, viewport=PHONE)
        assert page.width() == PHONE["width"]
        assert page.findings() == []
        assert page.complaints == []
        assert page.requests == [file.as_uri()]
        page.close()


def failed_report(driver, folder: Path, accepted: int | None, **changes) -> dict:
    """Return the report of the run with an edited spec, which its results end."""
    shutil.copytree(driver.folder, folder)
    document = driver.spec.document()
    for name, fields in changes.items():
        document[name] |= fields
    found = dict(driver.statistics)
    found.pop("i1/report")
    if accepted is not None:
        found["i1/curate/r1"] = {**found["i1/curate/r1"], "accepted": accepted}
    walked = walk(
        RECIPES["ISheep"],
        SelfAlignmentRunSpec.read(document),
        driver.prepared,
        VERSIONS,
        lambda stage, _key: found.get(stage.id),
    )
    assert walked.end.failure is not None
    step = step_of(walked.stages[-1], walked.keys, VERSIONS)
    result = driver.execute(order_for(folder, driver.model, step))
    assert result.exit_code == 0, result
    made = RunDocuments(FolderStore(folder), RUN)
    page = made.read("report.html").decode()
    assert html.escape(walked.end.failure.message, quote=False) in html.unescape(page)
    return json.loads(made.read("report.json"))


def test_a_run_with_too_few_pairs_leaves_a_report_with_them(finished_run, tmp_path) -> None:
    found = failed_report(finished_run, tmp_path / "s", None, selection={"minSamples": 5000})
    assert "selection.minSamples is 5000" in found["failure"]
    (iteration,) = found["iterations"]
    (before,) = report(finished_run)["iterations"]
    assert iteration["pairs"] == before["pairs"]
    assert [step["label"] for step in iteration["funnel"]][-1] == "pairs kept: D(t)"
    assert found["model_digest"] == report(finished_run)["model_digest"]


def test_a_run_with_a_low_keep_rate_leaves_a_report_with_its_drops(finished_run, tmp_path) -> None:
    found = failed_report(finished_run, tmp_path / "s", 1, instructions={"maxRounds": 1})
    assert "instructions.maxRounds = 1" in found["failure"]
    (iteration,) = found["iterations"]
    assert iteration["pairs"] == []
    assert iteration["pairs_file"] is None
    assert [step["label"] for step in iteration["funnel"]][-1] == "instructions accepted"


def test_the_file_next_to_the_page_has_all_pairs_with_their_decisions(finished_run) -> None:
    (iteration,) = report(finished_run)["iterations"]
    store = finished_run.artifacts.store
    packed = RunDocuments(store, RUN).read(iteration["pairs_file"])
    lines = gzip.decompress(packed).splitlines()
    assert lines == list(finished_run.artifacts.read_lines(finished_run.key("i1/select")))
    pairs = [SELECTIONS.decode(line) for line in lines]
    shown = {group["name"]: group for group in iteration["pairs"]}
    kept = [pair for pair in pairs if pair.kept]
    assert shown["kept"]["total"] == len(kept)
    reasons = {pair.reason for pair in pairs if not pair.kept}
    assert reasons
    assert reasons == set(shown) - {"kept", "borderline"}
    # The kept pair and the dropped pair whose lowest scores are nearest to the threshold, 2.
    lowest = {pair.id: min(pair.scores.values()) for pair in pairs if pair.scores}
    nearest = min(abs(lowest[pair.id] - 2) for pair in kept)
    assert abs(lowest[shown["borderline"]["pairs"][0]["id"]] - 2) == nearest


def test_the_run_file_in_the_report_is_the_run(finished_run) -> None:
    document = yaml.safe_load(report(finished_run)["spec"])
    assert document["kind"] == "SelfAlignmentRun"
    spec = SelfAlignmentRunSpec.read(document["spec"])
    assert data_fields(resolve(spec)) == data_fields(resolve(finished_run.spec))

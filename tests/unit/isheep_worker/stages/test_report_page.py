"""The report of a complete run: its funnel, its page in a browser, and the file with all pairs."""

from __future__ import annotations

import gzip
import json

import yaml

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import RunRef
from isheep.recipes.builders.prepare import data_fields
from isheep.recipes.defaults import resolve
from isheep.store.documents import RunDocuments
from isheep_worker.report.funnel import FunnelStep, funnel
from isheep_worker.rows.schema import SELECTIONS
from isheep_worker.stages.report import stage_figures

from ..browser import PHONE, Page, chromium
from ..funnel_check import explained

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

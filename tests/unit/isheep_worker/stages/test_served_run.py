"""A run with `serve`: one process with one engine makes the same bytes as separate processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from isheep.contract.order import StageResult, canonical_order


def test_a_served_run_has_the_same_bytes_and_loads_each_model_once(
    finished_run, make_driver, tmp_path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "isheep_worker", "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    lines = []

    def run_order(order) -> StageResult:
        process.stdin.write(canonical_order(order) + "\n")
        process.stdin.flush()
        while (line := json.loads(process.stdout.readline()))["type"] != "result":
            lines.append(line)
        return StageResult.model_validate(line["result"])

    driver = make_driver(tmp_path / "store", run_order)
    driver.run()
    assert driver.content() == finished_run.content()
    loads = {
        stage: statistics["modelLoads"]
        for stage, statistics in driver.statistics.items()
        if "modelLoads" in statistics
    }
    assert [stage for stage, count in loads.items() if count] == ["i1/generate/r1", "i1/train"]
    respond = [line for line in lines if line["stage"] == "i1/respond"]
    assert (respond[0]["itemsDone"], respond[-1]["itemsDone"]) == (0, 70)
    assert {"load", "engine", "cpu"} >= {line["activity"] for line in lines}

    # SIGTERM arrives while the engine is running.
    again = make_driver(tmp_path / "other", run_order)
    again.run(until="i1/generate")
    process.stdin.write(canonical_order(again.next_order()) + "\n")
    process.stdin.flush()
    while json.loads(process.stdout.readline())["type"] != "progress":
        pass
    process.send_signal(signal.SIGTERM)
    rest = [json.loads(line) for line in process.stdout]
    assert (rest[-1]["type"], rest[-1]["exitCode"]) == ("result", 143)
    process.stdin.close()
    assert process.wait() == 143

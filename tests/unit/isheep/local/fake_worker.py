"""A worker without models: it uses the protocol of `serve` and commits invented artifacts.

Files in `$FAKE_ORDERS` define its behaviour. One worker's attempt at a stage reads and deletes one
file `<stage id with dots>.<n>`, which contains `die`, `hang` (until SIGTERM), `stubborn` (hang even
after SIGTERM), `load` (the same while it loads a model), `exit` (exit with 0 and without a result),
`adopt` (report the stage as committed before) or `fail <exit code> <reason>`. The worker appends
each order to `log.txt`. Its engine, which does not exist, always stays during a training. With
`silent` in `room.<n>`, the worker does not answer a request for room.
"""

import hashlib
import json
import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from isheep.contract.driver_lines import RoomRequest, parse_driver_line
from isheep.contract.order import StageOrder, StageResult, Step, StepResult
from isheep.contract.prepared import ChatFormatRef, Prepared, PreparedBenchmark
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep.store.documents import RunDocuments
from isheep.store.manifest import FileInfo, Manifest, StageInfo, Timings

CONTROL = Path(os.environ["FAKE_ORDERS"])
PART_ITEMS = 64
"""`isheep.recipes.interface.PART_ITEMS`, whose import takes as long as all other imports here."""
STATISTICS = {
    "curate": {
        "completions": 8,
        "parsed": 60,
        "accepted": 64,
        "drop:url": 4,
        "drop:length": 9,
        "drop:blacklist": 0,
    },
    "select": {"pairs": 64, "kept": 2, "meanScore": 8.5},
    "train": {"samples": 2, "trainLoss": 1.5, "evalLoss": 1.75},
    "evaluate": {"items": 64},
    "score": {"items": 64},
    "verdict": {"items": 0, "alarms": 0, "action": 0},
}
stopped = threading.Event()


def write_line(document: dict) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def write_result(result: StageResult) -> None:
    fields = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    write_line({"type": "result", "result": fields, "exitCode": result.exit_code})


def behaviour(stage: str) -> list[str]:
    for file in sorted(CONTROL.glob(f"{stage.replace('/', '.')}.*")):
        with suppress(FileNotFoundError):
            text = file.read_text()
            file.unlink()  # fails in the second of two workers that have read the file
            return text.split()
    return []


def execute(order: StageOrder, index: int, count: int) -> StageResult:
    step = order.steps[0]
    with (CONTROL / "log.txt").open("a") as log:
        log.write(f"{os.getpid()} {step.id} {order.attempt} {index}/{count}\n")
    todo = behaviour(step.id)
    total = step.items or 1
    write_line(
        {
            "type": "progress",
            "stage": step.id,
            "itemsDone": 0,
            "itemsTotal": total,
            "activity": "load" if todo[:1] == ["load"] else "engine",
            "detail": "working",
        }
    )
    if todo[:1] == ["die"]:
        sys.stderr.write("about to die\n\x1b[31m")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    if todo[:1] == ["exit"]:
        os._exit(0)
    if todo[:1] == ["hang"]:
        stopped.wait()
    while todo[:1] in (["stubborn"], ["load"]):
        time.sleep(60)
    if stopped.is_set():
        return StageResult(outcome="Failed", exit_code=143, reason="Stopped", message="stopped")
    if todo[:1] == ["fail"]:
        message = f"failed with {todo[2]}"
        return StageResult(
            outcome="Failed", exit_code=int(todo[1]), reason=todo[2], message=message
        )
    if step.kind == "prepare":
        return StageResult(
            outcome="Committed",
            prepared=prepared(step.settings["spec"].get("evaluation") or {}),
            steps=(StepResult(id=step.id, key=step.key),),
        )
    result = commit(order, step, index, count)
    if todo[:1] == ["adopt"]:
        steps = tuple(done.model_copy(update={"adopted": True}) for done in result.steps)
        return result.model_copy(update={"steps": steps})
    return result


def commit(order: StageOrder, step: Step, index: int, count: int) -> StageResult:
    artifacts = artifacts_of(order)
    if step.items is not None:
        parts = range(-(-step.items // PART_ITEMS))
        write_parts(artifacts, step, parts[index::count])
        if len(artifacts.parts(step.key)) < len(parts):
            return StageResult(outcome="Partial")
    elif step.kind == "select":
        artifacts.write_part(step.key, 0, [row(order, n) for n in range(3)])
    files = []
    if step.kind == "report":
        page = CONTROL / f"report-{os.getpid()}.html"
        page.write_text("<p>report</p>")
        files = [artifacts.write_file(step.key, "report.html", page)]
        RunDocuments(artifacts.store, order.run).write("report.html", page)
    if step.kind == "score":
        path = CONTROL / f"results-{os.getpid()}.json"
        path.write_text(json.dumps({"results": {step.id: {"acc,none": 0.5}}}))
        files = [artifacts.write_file(step.key, "results.json", path)]
        artifacts.write_part(step.key, 0, metrics())
    if step.kind == "verdict":
        path = CONTROL / f"verdict-{os.getpid()}.json"
        path.write_text(json.dumps(verdict(step.settings.get("benchmarks", []))))
        files = [artifacts.write_file(step.key, "verdict.json", path)]
    if step.kind == "merge":
        files = [model_file(artifacts, step, name) for name in ("config.json", "model.safetensors")]
    now = datetime.now(UTC)
    manifest = artifacts.commit(
        step.key,
        Manifest(
            key=step.key,
            stage=StageInfo(
                kind=step.kind,
                version=step.version,
                id=step.id,
                iteration=step.iteration,
                round=step.round,
            ),
            parts=artifacts.collect_parts(step.key, len(artifacts.parts(step.key))),
            files=files,
            timings=Timings(started_at=now, finished_at=now),
            statistics=STATISTICS.get(step.kind, {}),
            run=order.run,
        ),
    )
    RunDocuments(artifacts.store, order.run).add_ref(step.key)
    done = StepResult(id=step.id, key=step.key, statistics=manifest.statistics)
    return StageResult(outcome="Committed", steps=(done,))


def metrics() -> list[bytes]:
    """Return the values of 64 items, a quarter of which is right, on a metric."""
    fields = {"task": "quiz", "metric": "acc", "filter": "none", "higher_is_better": True}
    rows = (
        {**fields, "item": f"quiz/{n}", "item_hash": f"{n:064d}", "value": float(n % 4 == 0)}
        for n in range(64)
    )
    return [json.dumps(row).encode() for row in rows]


def verdict(benchmarks: list[dict]) -> dict:
    change = {"items": 64, "difference": 0.25, "lower": 0.125, "upper": 0.375}
    models = [
        {"t": 0, "format": "Raw", "items": 64, "mean": 0.25, "from_base": None},
        {"t": 1, "format": "Chat", "items": 64, "mean": 0.5, "from_base": change},
    ]
    fixed = {"metric": "acc", "primary": True, "higher_is_better": True, "base_format": "Raw"}
    return {
        "benchmarks": [
            {"name": one["name"], "role": one["role"], **fixed, "models": models}
            for one in benchmarks
        ]
    }


def model_file(artifacts: ArtifactStore, step: Step, name: str) -> FileInfo:
    content = CONTROL / f"{name}-{os.getpid()}"
    content.write_text("{}" if name.endswith(".json") else "weights")
    return artifacts.write_file(step.key, name, content)


def row(order: StageOrder, number: int) -> bytes:
    kept = number != 1
    return json.dumps(
        {
            "id": f"i1-r1-c00000-p{number}",
            "instruction": f"Do {number} – now",
            "input": "this" if number else "",
            "response": "done",
            "finish_reason": "stop",
            "kept": kept,
            "reason": None if kept else "threshold",
            "scores": {"Quality": 9.0},
        }
    ).encode()


def write_parts(artifacts: ArtifactStore, step: Step, parts) -> None:
    for part in parts:
        items = min(PART_ITEMS, step.items - part * PART_ITEMS)
        artifacts.write_part(step.key, part, [b"{}"] * items)


def artifacts_of(order: StageOrder) -> ArtifactStore:
    return ArtifactStore(open_store(order.store), order.run.namespace)


def prepared(evaluation: dict) -> Prepared:
    benchmarks = evaluation.get("benchmarks", [])
    dropped = [one["task"] for one in benchmarks if one["decontaminate"] == "Drop"]
    return Prepared(
        model_digest="a" * 64,
        architecture="LlamaForCausalLM",
        seed_tasks_digest="b" * 64,
        seed_tasks_count=3,
        templates_digest="c" * 64,
        engine="Transformers",
        dtype="float32",
        max_model_length=512,
        chat_format=ChatFormatRef(
            kind="Plain", digest="d" * 64, end_of_turn_ids=(0,), stop_token_ids=(0,)
        ),
        evaluation={one["name"]: benchmark(one) for one in benchmarks} or None,
        evaluation_texts=digest(dropped) if dropped else None,
        harness="0.4.13" if benchmarks else None,
    )


def benchmark(fields: dict) -> PreparedBenchmark:
    kept = {name: value for name, value in fields.items() if name in ("task", "limit")}
    return PreparedBenchmark(digest=digest(kept), requests={"Raw": 64, "Chat": 64}, length=1024)


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def main() -> int:
    lines: queue.SimpleQueue = queue.SimpleQueue()

    def stop(*_: object) -> None:
        stopped.set()
        lines.put(None)

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)
        time.sleep(0.5)
        os._exit(143)

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=read, daemon=True).start()
    sys.stderr.write("ready\n")
    while (line := lines.get()) is not None:
        message = parse_driver_line(line)
        if isinstance(message, RoomRequest):
            if behaviour("room") != ["silent"]:
                write_line({"type": "room", "keeps": True})
            continue
        share = (int(os.environ[name]) for name in ("JOB_COMPLETION_INDEX", "ISHEEP_WORKERS"))
        write_result(execute(message, *share))
    return 143 if stopped.is_set() else 0


if __name__ == "__main__":
    sys.exit(main())

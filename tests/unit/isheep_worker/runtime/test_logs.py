"""The log is read in a separate process, because pytest configures the loggers of this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from isheep_worker.runtime.errors import BadInputError
from isheep_worker.runtime.logs import FORMAT_VARIABLE, short_traceback

PROGRAM = """
import logging
from isheep.contract.order import RunRef, Sources, StageOrder, Step
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep_worker.runtime.logs import log_stage, log_to_stderr

log_to_stderr()
step = Step(id="i1/respond", kind="respond", version=1, key="ab" * 32, iteration=1, settings={})
order = StageOrder(
    run=RunRef(namespace="default", name="demo", uid="u"),
    attempt=2,
    store=StoreSpec(folder=FolderStoreSpec(path="/store")),
    sources=Sources(model="/model"),
    steps=(step,),
)
log_stage(logging.getLogger("isheep_worker.x"), "part written", order, step, part=3, items=None)
logging.getLogger("isheep_worker.x").debug("not shown")
logging.getLogger("library").info("not shown")
logging.getLogger("library").warning("two words")
try:
    raise ValueError("1 error\\n  input_value='a generated text'")
except ValueError:
    logging.getLogger("isheep_worker.x").error("defect", exc_info=True)
"""


def log_of(**variables: str) -> list[str]:
    environment = {k: v for k, v in os.environ.items() if k != FORMAT_VARIABLE} | variables
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.splitlines()


UNCAUGHT = """
import threading
from isheep_worker.runtime.logs import log_to_stderr

log_to_stderr()

def fail():
    float("a generated text")

thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_an_uncaught_exception_is_logged_without_its_message() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("ValueError (message not shown)") == 2
    assert done.stderr.count("ERROR isheep_worker.runtime.logs uncaught exception:") == 2
    assert "could not convert" not in done.stderr


def test_the_text_format_has_a_sentence_and_then_fields() -> None:
    first, second, third, *trace = log_of()
    assert first.partition(" ")[2] == (
        "INFO isheep_worker.x part written namespace=default run=demo stage=i1/respond attempt=2 "
        "key=abababababab part=3"
    )
    assert second.endswith("WARNING library two words")
    assert third.endswith("ERROR isheep_worker.x defect")
    assert trace[-1] == "ValueError (message not shown)"


def test_the_json_format_has_one_object_a_line() -> None:
    first, second, third = [json.loads(line) for line in log_of(**{FORMAT_VARIABLE: "json"})]
    del first["time"]
    assert first == {
        "level": "INFO",
        "logger": "isheep_worker.x",
        "message": "part written",
        "namespace": "default",
        "run": "demo",
        "stage": "i1/respond",
        "attempt": 2,
        "key": "abababababab",
        "part": 3,
    }
    assert second["message"] == "two words"
    assert third["exception"].endswith("ValueError (message not shown)")
    assert "generated" not in str(third)


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_a_traceback_has_the_causes_and_the_first_lines_of_our_messages() -> None:
    cause, error = ValueError("generated"), BadInputError("third\nfourth")
    error.__cause__ = cause
    text = short_traceback(raised(error))
    found = [line for line in text.splitlines() if line and line[0] not in " T"]
    assert found == [
        "ValueError (message not shown)",
        "which led to",
        "BadInputError: third",
    ]
    assert "test_logs.py" in text


def test_a_traceback_omits_a_suppressed_context() -> None:
    error = RuntimeError()
    error.__context__, error.__suppress_context__ = ValueError("hidden"), True
    text = short_traceback(raised(error))
    assert "hidden" not in text
    assert text.endswith("\nRuntimeError")

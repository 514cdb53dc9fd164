from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "boto3",
    "isheep.api",
    "isheep.recipes",
    "isheep_worker.stages",
    "jinja2",
    "numpy",
    "prometheus_client",
    "torch",
    "transformers",
    "vllm",
)


def test_the_supervisor_imports_no_stage_and_no_library_of_the_stages() -> None:
    program = f"""
import sys
from isheep_worker.process import supervisor
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_an_unknown_mode_is_a_usage_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isheep_worker", "dance"],
        capture_output=True,
        text=True,
        check=False,
    )
    usage = "usage: python -m isheep_worker [serve | sandbox FOLDER]\n"
    assert (done.returncode, done.stderr) == (64, usage)

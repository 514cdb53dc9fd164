"""A benchmark of generated code whose programs check what the sandbox of a pod refuses.

The programs have the format of HumanEval. What the model writes ends up in a text that nothing
reads. So a problem is solved if its function returns, and the model does not matter: the functions
look for what a container of the pod has, and must not find it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NAME = "confined"
PROBES = {
    "the_program_runs": "assert sum(range(5)) == 10",
    "no_variable_of_the_worker": "import os\nassert not os.environ, os.environ",
    "no_secret_or_token": """
import os
assert not os.path.exists("/var/run/secrets")
for process in ("self", "1"):
    try:
        text = open(f"/proc/{process}/environ").read()
    except OSError:
        continue
    assert "AWS" not in text and "TOKEN" not in text and "KEY" not in text
""",
    "no_network": """
import socket
try:
    socket.socket()
except OSError:
    pass
else:
    raise AssertionError("a socket")
""",
    "no_file_can_be_written": """
for path in ("/tmp/x", "/sandbox/verdicts/x", "/sandbox/programs/x", "x"):
    try:
        open(path, "w")
    except OSError:
        continue
    raise AssertionError(path)
""",
    "no_process_can_be_started": """
import os
try:
    os.fork()
except OSError:
    pass
else:
    raise AssertionError("a process")
""",
}
"""Bodies of functions by their names; a body that raises an error is a problem without solution."""
FAILS = {"a_wrong_program_fails": "raise AssertionError"}
"""So the share of solved problems is not 1 because nothing was executed."""
SOLVED = len(PROBES) / (len(PROBES) + len(FAILS))


def problems() -> str:
    """Return the problems, one JSON object a line."""
    rows = [_problem(name, body) for name, body in {**PROBES, **FAILS}.items()]
    return "".join(json.dumps(row) + "\n" for row in rows)


def _problem(name: str, body: str) -> Mapping[str, str]:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return {
        "task_id": f"Own/{name}",
        "prompt": f'def {name}():\n{lines}\n\nTEXT = r"""',
        "canonical_solution": '"""\n',
        "test": '"""\n\n\ndef check(candidate):\n    candidate()\n',
        "entry_point": name,
    }


def evaluation(storage_uri: str) -> dict[str, Any]:
    """Return `spec.evaluation` of a run that evaluates on these problems."""
    benchmark = {
        "name": NAME,
        "task": "humaneval",
        "storageUri": storage_uri,
        "promptFormat": "Raw",
        "role": "Test",
    }
    return {"allowCodeExecution": True, "benchmarks": [benchmark]}

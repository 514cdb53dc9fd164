"""`python -m isheep_worker` is a pod's supervisor, and `serve` is the worker of `isheep run`.

Only the supervisor starts `work`. `sandbox` is the second container of a pod whose stage executes
generated code.

Each mode is imported when it runs, so that the supervisor imports neither the stages nor their
libraries (torch, Transformers, vLLM, NumPy): it must start quickly and must not fail with them.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import NoReturn

_STARTED = time.monotonic()
_USAGE = "usage: python -m isheep_worker [serve | sandbox FOLDER]\n"


def main(arguments: list[str]) -> int:
    """Run a mode and return its exit code."""
    if arguments == []:
        # The kernel drops a SIGTERM for process 1 if there is no handler yet. A blocked SIGTERM
        # waits, so it is blocked until the supervisor has a handler.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        from isheep_worker.process.supervisor import supervise  # noqa: PLC0415 (one mode's)

        return supervise()
    if arguments == ["serve"]:
        from isheep_worker.process.serve import serve  # noqa: PLC0415 (one mode's)

        _exit(serve(_STARTED))
    if arguments[:1] == ["work"] and len(arguments) == 2:
        from isheep_worker.process.pod_worker import work  # noqa: PLC0415 (one mode's)

        _exit(work(int(arguments[1]), _STARTED))
    if arguments[:1] == ["sandbox"] and len(arguments) == 2:
        from isheep_worker.sandbox.server import serve_container  # noqa: PLC0415 (one mode's)

        serve_container(arguments[1])
    sys.stderr.write(_USAGE)
    return 64


def _exit(code: int) -> NoReturn:
    """Exit without a shutdown of the interpreter.

    After an engine was loaded, a shutdown takes seconds, and the driver or the pod would wait for
    it before the next stage starts. Everything that needs closing is closed by now.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

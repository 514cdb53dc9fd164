"""`python -m isheep_worker`: a pod's supervisor; `serve`: the worker of `isheep run`.

`work` is what the supervisor starts; nobody else should.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import NoReturn

_STARTED = time.monotonic()
_USAGE = "usage: python -m isheep_worker [serve]\n"


def main(arguments: list[str]) -> int:
    """Run a mode and return its exit code; modes are imported when they are run."""
    if arguments == []:
        # The kernel drops a SIGTERM that process 1 does not handle yet; a blocked one waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        from isheep_worker.process.supervisor import supervise  # noqa: PLC0415 (it imports next to nothing)

        return supervise()
    if arguments == ["serve"]:
        from isheep_worker.process.serve import serve  # noqa: PLC0415 (see above)

        _leave(serve(_STARTED))
    if arguments[:1] == ["work"] and len(arguments) == 2:
        from isheep_worker.process.pod import work  # noqa: PLC0415 (see above)

        _leave(work(int(arguments[1]), _STARTED))
    sys.stderr.write(_USAGE)
    return 64


def _leave(code: int) -> NoReturn:
    """End at once.

    Tearing an interpreter down that has loaded an engine takes seconds, for which a driver
    or a pod would wait before the next stage begins; everything is closed by now.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

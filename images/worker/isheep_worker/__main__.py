"""`python -m isheep_worker`: a pod's supervisor; `serve`: the worker of `isheep run`.

`work` is what the supervisor starts; nobody else should.
"""

from __future__ import annotations

import os
import sys
import time

_STARTED = time.monotonic()
_USAGE = "usage: python -m isheep_worker [serve]\n"


def main(arguments: list[str]) -> int:
    """Run a mode and return its exit code; modes are imported when they are run."""
    if arguments == []:
        from isheep_worker.supervisor import supervise  # noqa: PLC0415 (it imports next to nothing)

        return supervise()
    if arguments == ["serve"]:
        from isheep_worker.serve import serve  # noqa: PLC0415 (see above)

        code = serve(_STARTED)
        sys.stderr.flush()
        # Tearing an interpreter down that has loaded an engine takes seconds, and the driver
        # waits for them before it gives the memory to training; everything is closed by now.
        os._exit(code)
    if arguments[:1] == ["work"] and len(arguments) == 2:
        from isheep_worker.pod import work  # noqa: PLC0415 (see above)

        return work(int(arguments[1]), _STARTED)
    sys.stderr.write(_USAGE)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

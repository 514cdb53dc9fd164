"""`python -m isheep_worker`: a pod's supervisor; `serve`: the worker of `isheep run`.

`work` is what the supervisor starts; nobody else should.
"""

from __future__ import annotations

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

        return serve(_STARTED)
    if arguments[:1] == ["work"] and len(arguments) == 2:
        from isheep_worker.pod import work  # noqa: PLC0415 (see above)

        return work(int(arguments[1]), _STARTED)
    sys.stderr.write(_USAGE)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

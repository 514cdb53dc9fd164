"""A worker whose process stops itself with SIGSTOP when it loads a model into an engine.

A load in a library's own code does not react to SIGTERM for minutes. A stopped process does not
react either, however fast the machine is.
"""

import os
import signal
import sys
from typing import Any

from isheep_worker.__main__ import main
from isheep_worker.execution import engine_provider


def _stop_instead(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGSTOP)
    raise RuntimeError("the process was continued")


if __name__ == "__main__":
    engine_provider.open_engine = _stop_instead
    sys.exit(main(["serve"]))

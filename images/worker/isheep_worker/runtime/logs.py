"""The worker's log: lines on stderr, for people; nothing reads them back."""

from __future__ import annotations

import logging
import os
import sys

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr() -> None:
    """Send our own log to stderr at INFO, that of libraries from WARNING on."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # libraries' progress bars: a log is no terminal
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=_FORMAT)
    for package in ("isheep", "isheep_worker"):
        logging.getLogger(package).setLevel(logging.INFO)

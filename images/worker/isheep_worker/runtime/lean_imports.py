"""Keeps scikit-learn out of a worker's start, where nothing of ours asks for it.

transformers imports scikit-learn, and with it SciPy, for one way of decoding that no stage
uses: 2 to 3 seconds of each start of a process that loads a model. Where it finds none it does
without. Only density's k-means needs it, and asks for it here first.
"""

from __future__ import annotations

import sys
from typing import Any

_NAME = "sklearn"
_modules: dict[str, Any] = sys.modules


def hide_scikit_learn() -> None:
    """Have whatever is imported from now on find no scikit-learn, unless it is imported already."""
    # None is Python's own word for a module that is not to be found.
    _modules.setdefault(_NAME, None)


def show_scikit_learn() -> None:
    """Have it found again."""
    if _modules.get(_NAME, _modules) is None:
        del _modules[_NAME]

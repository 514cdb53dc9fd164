"""Prevents the import of scikit-learn when a worker starts.

transformers imports scikit-learn, and SciPy with it, for one method of decoding that no stage
uses. The import takes 2 to 3 seconds in each process that loads a model. If transformers does not
find scikit-learn, it works without it. Only the k-means of the density measure needs
scikit-learn, and calls `show_scikit_learn` before it imports it.
"""

from __future__ import annotations

import sys
from typing import Any

_NAME = "sklearn"
_modules: dict[str, Any] = sys.modules


def hide_scikit_learn() -> None:
    """Make imports of scikit-learn fail from now on, unless it is already imported."""
    # Python raises ModuleNotFoundError for a module whose entry is None.
    _modules.setdefault(_NAME, None)


def show_scikit_learn() -> None:
    """Make scikit-learn importable again."""
    if _modules.get(_NAME, _modules) is None:
        del _modules[_NAME]

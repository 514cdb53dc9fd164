"""The test runs in a separate process, because this process may have imported the modules."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from isheep_worker.runtime.lean_imports import hide_scikit_learn, show_scikit_learn
hide_scikit_learn()
from transformers.utils import is_sklearn_available
assert not is_sklearn_available()
show_scikit_learn()
show_scikit_learn()
from sklearn.cluster import MiniBatchKMeans
hide_scikit_learn()
show_scikit_learn()
import sklearn
assert sys.modules["sklearn.cluster"].MiniBatchKMeans is MiniBatchKMeans
"""


def test_transformers_does_not_find_scikit_learn_until_it_is_shown() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)

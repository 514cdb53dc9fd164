"""In a process of its own: what this one has imported, it has imported."""

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


def test_transformers_finds_none_and_what_shows_it_first_does() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)

"""The results of a run on benchmarks, in the format in which lm-eval writes its own results.

The score stages have written them. Tools that read results of lm-eval, such as its tables, read
these files too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from isheep.contract.stage_ids import iteration_of, kind_name
from isheep.store.artifacts import ArtifactStore

RESULTS_FILE = "results.json"


def write_results(artifacts: ArtifactStore, committed: Mapping[str, str], folder: Path) -> int:
    """Write a file for each model, benchmark and prompt format; return the number of files.

    The names are those of the stages, such as `M1-arc-easy-1f0c2a3b-chat.json`.

    Args:
        artifacts: The artifacts of the run.
        committed: The keys of the run's committed stages by their ids.
        folder: The folder, which is made if it does not exist.
    """
    scores = {id_: key for id_, key in committed.items() if kind_name(id_) == "score"}
    for id_, key in scores.items():
        folder.mkdir(parents=True, exist_ok=True)
        name = f"M{iteration_of(id_)}-{id_.rpartition('/')[2]}.json"
        artifacts.read_file(key, RESULTS_FILE, folder / name)
    return len(scores)

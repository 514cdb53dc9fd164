"""The search for overlaps with the benchmarks that prepare has stored.

curate searches instructions, and select searches responses, in the same texts.
"""

from __future__ import annotations

from isheep.recipes.settings import DecontaminationSettings
from isheep_worker.curation.decontamination import Decontaminator, read_benchmark
from isheep_worker.inputs.stored_inputs import Inputs


def stored_decontaminator(
    inputs: Inputs, settings: DecontaminationSettings | None
) -> Decontaminator | None:
    """Return the search of the settings, or None without settings."""
    if settings is None:
        return None
    decontaminator = Decontaminator(settings.ngram)
    for name, digest in sorted(settings.benchmarks.items()):
        lines = inputs.get(digest).splitlines()
        decontaminator.add_benchmark(name, read_benchmark(lines, f"{name}.jsonl"))
    return decontaminator

"""The files of M(t) in a folder that loads by itself.

An adapter names its base by the name on the hub, so `AutoPeftModelForCausalLM` finds the base. The
stored adapter may lack the name: an earlier version wrote none, and the same stage can be reused by
a run that reads the base from another place.
"""

from __future__ import annotations

import json
from pathlib import Path

from isheep.export.facts import Base
from isheep.store.artifacts import ArtifactStore
from isheep.store.manifest import Manifest

ADAPTER_CONFIG = "adapter_config.json"
_LOGS = ".zst"


def write_model(artifacts: ArtifactStore, manifest: Manifest, folder: Path, base: Base) -> int:
    """Copy the files of a train or merge stage into a folder, without its logs.

    Args:
        artifacts: The store.
        manifest: The manifest of the stage.
        folder: The folder, which is created if it does not exist.
        base: The base model of an adapter.

    Returns:
        The number of files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [info.name for info in manifest.files if not info.name.endswith(_LOGS)]
    for name in names:
        artifacts.read_file(manifest.key, name, folder / name)
    if ADAPTER_CONFIG in names:
        _name_base(folder / ADAPTER_CONFIG, base)
    return len(names)


def _name_base(path: Path, base: Base) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    if base.name is not None:
        config |= {"base_model_name_or_path": base.name, "revision": base.revision}
        text = json.dumps(config, indent=2, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")

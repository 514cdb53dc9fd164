"""The name of the base model in an adapter's configuration.

`AutoPeftModelForCausalLM` loads the base that the configuration names. Only a name on the hub means
the same model on every machine. So the base of another location stays unnamed, and so does the base
of an adapter that was trained on the merged weights of M(t-1).
"""

from __future__ import annotations

from pathlib import Path

from isheep_worker.training.chat_files import edit_json

_CONFIG = "adapter_config.json"
_HUB = "hf://"


def name_base(adapter: Path, uri: str, revision: str | None) -> None:
    """Write the base's name and commit into the configuration of an adapter, if it is on the hub.

    Args:
        adapter: The folder of the adapter.
        uri: The location of the base model as in the spec, such as `hf://org/name`.
        revision: The commit of the base model, or None if it is unknown.
    """
    if uri.startswith(_HUB):
        names = {"base_model_name_or_path": uri.removeprefix(_HUB), "revision": revision}
        edit_json(adapter / _CONFIG, lambda config: config.update(names))

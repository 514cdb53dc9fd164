"""The class and the arguments with which a model's folder becomes a model of Transformers.

Training, generation, measures and the checks of prepare load models only through this module. They
therefore agree about the class of the model, about the names of its parameters, and about its
attention.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load_model(folder: Path, **arguments: Any) -> Any:
    """Load the model in a folder, from safetensors and without code from the folder.

    Args:
        folder: The folder with the model's configuration and weights.
        **arguments: Further arguments of `from_pretrained`, such as dtype and device.

    Returns:
        The model, in evaluation mode.

    Raises:
        ValueError: Transformers has no class that continues texts for this configuration.
    """
    config = _config(folder)
    return _auto_class(config).from_pretrained(
        folder,
        attn_implementation=_attention(config),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        **arguments,
    )


def empty_model(folder: Path) -> Any:
    """Return the model that `load_model` returns, with shapes but without weights.

    Its parameters are on the device `meta`, so a model of any size takes seconds and little memory.
    Only the configuration is read. Raises `ValueError` as `load_model` does.
    """
    import torch  # noqa: PLC0415 (heavy)

    config = _config(folder)
    with torch.device("meta"):
        return _auto_class(config).from_config(config, trust_remote_code=False)


def model_config(folder: Path) -> Any:
    """Return the configuration of the model that `load_model` returns, with its attention."""
    config = _config(folder)
    config._attn_implementation = _attention(config) or "sdpa"
    return config


def _config(folder: Path) -> Any:
    from transformers import AutoConfig  # noqa: PLC0415 (heavy)

    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _auto_class(config: Any) -> Any:
    """Return the auto class of a configuration.

    Some models that read images too have no class for texts alone. They continue texts as well.
    """
    from transformers import (  # noqa: PLC0415 (heavy)
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
    )

    for auto_class in (AutoModelForCausalLM, AutoModelForImageTextToText):
        if type(config) in auto_class._model_mapping:
            return auto_class
    raise ValueError(
        f"the installed Transformers has no class that continues texts for model_type "
        f"{config.model_type!r}"
    )


def _attention(config: Any) -> str | None:
    """Return the attention of the model, or None for the default of Transformers.

    PyTorch's attention, which is the default, cannot bound the attention scores (soft-capping, as
    in Gemma 2). It would leave the bound out without an error.
    """
    text = config.get_text_config()
    return "eager" if getattr(text, "attn_logit_softcapping", None) else None

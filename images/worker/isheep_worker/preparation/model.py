"""The model of a run: its files are those that the run is pinned to; its dtype and its length."""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import DTYPE_OF, Dtype
from isheep.contract.order import Runtime, Sources
from isheep.planner import pinning
from isheep_worker.inputs.model_files import ModelFiles
from isheep_worker.runtime.errors import BadInputError

LENGTH_STEP = 256
"""A resolved maximum length is a multiple of this, so a small change of a prompt changes no key."""


def check_model_is_pinned_one(sources: Sources, model: ModelFiles) -> None:
    """Raise `BadInputError` if the run is pinned to a model with another digest."""
    pinned = sources.pinned.get(pinning.MODEL)
    if pinned is not None and pinned != model.digest:
        raise BadInputError(
            f"model.storageUri: the files of {sources.model} are not those that the run began with "
            f"(their digest is {model.digest}, not {pinned}); restore the files, or edit the run's "
            "model so that it is resolved again"
        )


def resolve_dtype(spec: SelfAlignmentRunSpec, model: ModelFiles, *, on_gpu: bool) -> Dtype:
    """Return the number format of the weights: the spec's, or for `Auto` one for the device.

    `Auto` is float32 on a CPU. On a GPU it is the model's own format if that is one of `Dtype`,
    otherwise float32.
    """
    if spec.engine.dtype != "Auto":
        return DTYPE_OF[spec.engine.dtype]
    if not on_gpu or model.dtype not in DTYPE_OF.values():
        return "float32"
    return model.dtype


def runs_on_gpu(runtime: Runtime) -> bool:
    """Return whether inference will run on a GPU.

    The order's accelerator decides if the driver has set it: prepare may run on a machine without
    the GPUs of later stages. Otherwise this machine decides.
    """
    if runtime.accelerator is not None:
        return runtime.accelerator == "GPU"
    import torch  # noqa: PLC0415 (heavy)

    return bool(torch.cuda.is_available())


def resolve_max_length(spec: SelfAlignmentRunSpec, model: ModelFiles, needed: int) -> int:
    """Return the maximum length of a prompt with its completion, in tokens.

    A model's own maximum can be far above what a run needs, and vLLM reserves memory for one
    sequence of the maximum length. A GPU with 24 GB does not hold one sequence of 131,072 tokens.

    Args:
        spec: The run.
        model: The base model.
        needed: The longest prompt that is known before the start, with its answer, in tokens.

    Returns:
        The spec's length. If it has none: `needed` with room for a task that fills a whole
        completion, rounded up, but not more than the model's own maximum.

    Raises:
        BadInputError: A length of the spec exceeds the model's own.
    """
    wanted, own = spec.engine.vllm.max_model_length, model.max_length
    if wanted is not None and own is not None and wanted > own:
        raise BadInputError(
            f"engine.vllm.maxModelLength: {wanted}, but the model was made for {own} tokens; "
            f"set {own} or less"
        )
    if own is not None and spec.training.max_length > own:
        raise BadInputError(
            f"training.maxLength: {spec.training.max_length}, but the model was made for {own} "
            f"tokens; set {own} or less"
        )
    return needed_length(spec, model, needed) if wanted is None else wanted


def needed_length(spec: SelfAlignmentRunSpec, model: ModelFiles, needed: int) -> int:
    """Return the length for prompts of up to `needed` tokens, with their answers.

    It has room for a task that fills a whole completion, is rounded up, and is not more than the
    model's own maximum.
    """
    own = model.max_length
    room = needed + spec.instructions.sampling.max_tokens
    length = -(-room // LENGTH_STEP) * LENGTH_STEP
    return length if own is None else min(length, own)

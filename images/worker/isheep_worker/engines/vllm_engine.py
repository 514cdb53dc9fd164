"""The fast engine: vLLM's `LLMEngine`. This module submits its requests and runs its steps.

The module uses `LLMEngine` instead of `LLM`, because a stage submits requests while earlier ones
run, so that the device is never idle between two parts.

On a CPU the engine runs in this process: a child process would import all libraries a second time,
which is half of the start time. Three settings are necessary there. Chunked prefill is off and a
step takes a whole prompt, because a seeded prompt that is computed in chunks kills the engine (the
random generator of a CPU cannot be reset). Blocks have 32 tokens. The KV cache has a fixed size,
because vLLM takes most of the machine's memory by default.

On GPUs the engine's core is a child process, so that scheduling and detokenizing overlap with the
device's computations. If the device runs out of memory at the start, only the log of the child has
the cause; `memory.says_out_of_memory` detects it there.

During a training, the engine can sleep: vLLM moves the weights into the memory of the host and
drops the KV cache. Only CUDA and ROCm have the allocator for it, which must be chosen at the start.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from isheep_worker.engines.adapter import Adapter, AdapterError
from isheep_worker.engines.compile_cache import compile_cache, compile_facts
from isheep_worker.engines.interface import Completion, FinishReason, PromptTooLongError, Request
from isheep_worker.engines.memory import device_memory_errors
from isheep_worker.engines.model_link import linked_model
from isheep_worker.engines.runtime import USUAL_MAX_NUM_SEQS, EngineRuntime
from isheep_worker.runtime.cache_folder import cache_folder

GIB = 1024**3
CPU_BLOCK_SIZE = 32
CPU_STEP_TOKENS = 2048
CPU_CACHE_LIMIT = 2 * GIB
CPU_AT_ONCE = 64
"""Sequences that keep a CPU busy. More of them would only lose more when the process is killed."""


class VLLMEngine:
    """A causal language model in vLLM."""

    independent_requests = True

    def __init__(
        self,
        model_dir: Path,
        dtype: str,
        max_model_length: int | None,
        runtime: EngineRuntime,
        *,
        max_adapter_rank: int = 0,
    ) -> None:
        """Load the model on `runtime.tensor_parallel_size` GPUs, or on the CPU.

        If `max_adapter_rank` is 0, the engine serves no adapters and reserves no memory for them.
        """
        _quiet()
        from vllm.envs import disable_envs_cache  # noqa: PLC0415 - heavy
        from vllm.platforms import current_platform  # noqa: PLC0415 - heavy

        self._in_process = bool(current_platform.is_cpu())
        settings: dict[str, Any] = {
            "model": str(model_dir),
            "dtype": dtype,
            "max_model_len": max_model_length,
            "max_num_seqs": runtime.reduced_max_num_seqs,  # None: vLLM's choice for the device
            "enforce_eager": runtime.enforce_eager,
            "enable_prefix_caching": True,
            "structured_outputs_config": {"backend": "guidance"},
            "disable_log_stats": True,
        }
        if self._in_process:
            # vLLM remembers the variables of the first engine in this process.
            disable_envs_cache()
            settings |= _cpu_settings(model_dir, dtype, max_model_length, runtime)
        else:
            settings |= {
                "gpu_memory_utilization": runtime.gpu_memory_utilization,
                "tensor_parallel_size": runtime.tensor_parallel_size,
            }
        sleeps = runtime.can_sleep and not self._in_process and _can_sleep(current_platform)
        if sleeps:
            settings["enable_sleep_mode"] = True
        if max_adapter_rank:
            settings |= _adapter_settings(max_adapter_rank)
        with ExitStack() as until_closed:
            settings["model"] = str(until_closed.enter_context(linked_model(model_dir)))
            facts = compile_facts(settings, (model_dir / "config.json").read_text())
            with (
                device_memory_errors(f"loading {model_dir}"),
                compile_cache(cache_folder(os.environ), current_platform.get_device_name(), facts),
            ):
                self._engine: Any = _start(settings)
            self._until_closed = until_closed.pop_all()
        self._can_sleep = sleeps or self._in_process
        self._lora: Any = None
        self._loras = 0
        self._max_num_seqs: int = self._engine.vllm_config.scheduler_config.max_num_seqs
        self._scored: dict[str, Request] = {}
        self._max_length: int = self._engine.model_config.max_model_len

    @property
    def max_in_flight(self) -> int:
        """Twice the number of running sequences, so that a waiting one follows each that ends."""
        at_once = min(self._max_num_seqs, CPU_AT_ONCE) if self._in_process else self._max_num_seqs
        return 2 * at_once

    @property
    def in_flight(self) -> int:
        """Requests that vLLM has not finished."""
        return int(self._engine.get_num_unfinished_requests()) if self._engine else 0

    def submit(self, group: Sequence[Request]) -> None:
        """Add a group to vLLM's scheduler; raise `PromptTooLongError` if a prompt is too long."""
        for request in group:
            self._check_length(request)
        for request in group:
            (prompt,) = self._engine.renderer.render_cmpl(
                [{"prompt_token_ids": [*request.prompt_token_ids, *request.continuation[:-1]]}]
            )
            if request.labels or request.continuation:
                self._scored[request.id] = request
            params = _params(request)
            self._engine.add_request(request.id, prompt, params, lora_request=self._lora)

    def poll(self) -> list[Completion]:
        """Run one step of the engine: up to one token for each running request."""
        if not self.in_flight:
            return []
        with device_memory_errors("generating"):
            finished = [output for output in self._engine.step() if output.finished]
        return [
            _scores(output, self._scored.pop(output.request_id))
            if output.request_id in self._scored
            else _completion(output)
            for output in finished
        ]

    def adapt(self, adapter: Adapter | None) -> None:
        """Replace the loaded adapter by another one, which all later requests use."""
        from vllm.lora.request import LoRARequest  # noqa: PLC0415 - heavy

        if self._lora is not None:
            self._engine.remove_lora(self._lora.lora_int_id)
            self._lora = None
        if adapter is None:
            return
        # vLLM's prefix cache is keyed by name and path, but its loaded adapters by number only, so
        # each adapter that is loaded needs a new number.
        self._loras += 1
        lora = LoRARequest(adapter.name, self._loras, str(adapter.folder))
        with device_memory_errors(f"loading the adapter {adapter.folder}"):
            try:
                self._engine.add_lora(lora)
            # An engine in a separate process raises no more specific exception.
            except Exception as error:
                raise AdapterError(
                    f"vLLM cannot serve this model's adapter ({error}): set training.handover: "
                    "Merged"
                ) from error
        self._lora = lora

    def sleep(self) -> bool:
        """Move the weights into the memory of the host, and drop the KV cache."""
        if self._can_sleep and not self._in_process:
            self._engine.sleep(level=1)
        return self._can_sleep

    def wake(self) -> None:
        """Move the weights back, and reserve memory for the KV cache again."""
        if self._in_process:
            return
        with device_memory_errors("waking the engine after a training"):
            self._engine.wake_up()

    def close(self) -> None:
        """Stop the engine and its processes, and release the device."""
        if self._engine is None:
            return
        from vllm.distributed import cleanup_dist_env_and_memory  # noqa: PLC0415 - heavy

        engine, self._engine = self._engine, None
        engine.engine_core.shutdown()
        self._until_closed.close()
        del engine
        if self._in_process:
            cleanup_dist_env_and_memory()

    def _check_length(self, request: Request) -> None:
        prompt, room = len(request.prompt_token_ids), request.room
        if not prompt:
            raise ValueError(f"request {request.id}: the prompt is empty")
        if prompt + room > self._max_length:
            raise PromptTooLongError(
                f"request {request.id}: {prompt} prompt tokens and {room} more do not fit the "
                f"model's length of {self._max_length} tokens: raise engine.vllm.maxModelLength up "
                "to the model's own length, lower maxTokens, or shorten the prompt"
            )


def _quiet() -> None:
    """Turn off telemetry and progress logs before the import of vLLM, unless variables are set."""
    for name, value in {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
    }.items():
        os.environ.setdefault(name, value)


def _start(settings: dict[str, Any]) -> Any:
    from vllm.engine.arg_utils import EngineArgs  # noqa: PLC0415 - heavy
    from vllm.usage.usage_lib import UsageContext  # noqa: PLC0415 - heavy
    from vllm.v1.engine.llm_engine import LLMEngine  # noqa: PLC0415 - heavy

    # This context has the batch sizes for offline inference, which are the largest.
    return LLMEngine.from_engine_args(EngineArgs(**settings), UsageContext.LLM_CLASS)


def _can_sleep(platform: Any) -> bool:
    """Return whether vLLM can free the memory of this platform's devices and get it back."""
    return bool(
        platform.is_cuda_alike()
        and platform.is_sleep_mode_available()
        and platform.is_cumem_allocator_available()
    )


def _adapter_settings(rank: int) -> dict[str, Any]:
    """Return the settings that reserve memory for one adapter; vLLM supports some ranks only."""
    from vllm.config.lora import MaxLoRARanks  # noqa: PLC0415 - heavy

    return {
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": min(size for size in get_args(MaxLoRARanks) if size >= rank),
    }


def _cpu_settings(
    model_dir: Path, dtype: str, max_model_length: int | None, runtime: EngineRuntime
) -> dict[str, Any]:
    import torch  # noqa: PLC0415 - heavy
    from transformers import AutoConfig  # noqa: PLC0415 - heavy

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    # On a CPU, vLLM 0.32 cannot load the file that this option stores, and compiles everything
    # again. Without it, PyTorch finds the compiled code in its own cache.
    os.environ.setdefault("VLLM_USE_AOT_COMPILE", "0")
    # If this variable is not set, vLLM reduces this process to one thread "for serving". Here the
    # same process also computes.
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    found = AutoConfig.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)
    config = found.get_text_config()
    length = max_model_length or config.max_position_embeddings
    sequences = runtime.reduced_max_num_seqs or USUAL_MAX_NUM_SEQS
    return {
        # bfloat16 is emulated on most CPUs: four times slower than float32.
        "dtype": "float32" if dtype == "auto" else dtype,
        "block_size": CPU_BLOCK_SIZE,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(length, CPU_STEP_TOKENS),
        "max_num_seqs": sequences,
        "kv_cache_memory_bytes": _cpu_cache_bytes(config, length, sequences),
    }


def _cpu_cache_bytes(config: Any, length: int, sequences: int) -> int:
    """Return the size of the KV cache in bytes.

    The cache holds `sequences` sequences of `length` tokens, but at most `CPU_CACHE_LIMIT` bytes
    and at most a quarter of the free memory. It always holds one sequence of full length; if the
    memory does not hold that, vLLM raises an error.
    """
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    float32, keys_and_values = 4, 2
    token: int = config.num_hidden_layers * heads * size * float32 * keys_and_values
    sequence = token * (length + CPU_BLOCK_SIZE)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(sequence, min(sequence * sequences, free // 4, CPU_CACHE_LIMIT))


def _sampling_params(request: Request) -> Any:
    from vllm.sampling_params import (  # noqa: PLC0415 - heavy
        RequestOutputKind,
        SamplingParams,
        StructuredOutputsParams,
    )

    return SamplingParams(
        n=1,
        temperature=request.temperature,
        top_p=request.top_p,
        presence_penalty=request.presence_penalty,
        max_tokens=request.max_tokens,
        seed=request.seed,
        stop=list(request.stop),
        stop_token_ids=list(request.stop_token_ids),
        structured_outputs=StructuredOutputsParams(regex=request.regex) if request.regex else None,
        # 0: the drawn token's only. Flat: vLLM makes no object for each token.
        logprobs=0 if request.logprob else None,
        flat_logprobs=request.logprob,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _scoring_params(request: Request) -> Any:
    """Return the parameters of a request for labels or for a continuation.

    It is one greedy token with the log-probabilities of the labels, or of the continuation's last
    token. The log-probabilities of the continuation's other tokens are those of a prompt. The
    request needs them only if there are such tokens, because vLLM then computes the whole prompt
    again, and would take it from its prefix cache otherwise.

    The token is greedy because a seeded prompt must not be computed in chunks (see the module's
    docstring). vLLM computes the log-probabilities before the temperature, from the logits over the
    whole vocabulary.
    """
    from vllm.sampling_params import RequestOutputKind, SamplingParams  # noqa: PLC0415 - heavy

    return SamplingParams(
        n=1,
        temperature=0.0,
        max_tokens=1,
        logprob_token_ids=list(request.labels or request.continuation[-1:]),
        prompt_logprobs=1 if len(request.continuation) > 1 else None,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _params(request: Request) -> Any:
    scores = request.labels or request.continuation
    return _scoring_params(request) if scores else _sampling_params(request)


def _scores(output: Any, request: Request) -> Completion:
    (only,) = output.outputs
    (first,) = only.logprobs
    completion = Completion(
        id=output.request_id,
        text="",
        finish_reason="stop",
        prompt_tokens=len(request.prompt_token_ids),
        tokens=0,
        cached_prompt_tokens=output.num_cached_tokens or 0,
    )
    if request.labels:
        return replace(
            completion,
            label_logprobs=tuple(float(first[label].logprob) for label in request.labels),
        )
    # The output has None for the first token of the prompt.
    before = (
        output.prompt_logprobs[len(request.prompt_token_ids) :] if output.prompt_logprobs else ()
    )
    found = list(zip(request.continuation, (*before, first), strict=True))
    return replace(
        completion,
        continuation_tokens=len(found),
        continuation_logprob=sum(float(position[token].logprob) for token, position in found),
        is_greedy=all(
            position[token].logprob >= max(other.logprob for other in position.values())
            for token, position in found
        ),
    )


def _completion(output: Any) -> Completion:
    (only,) = output.outputs
    reason: FinishReason = "length" if only.finish_reason == "length" else "stop"
    return Completion(
        id=output.request_id,
        text=only.text,
        finish_reason=reason,
        prompt_tokens=len(output.prompt_token_ids),
        tokens=len(only.token_ids),
        cached_prompt_tokens=output.num_cached_tokens or 0,
        logprob=only.cumulative_logprob,
    )

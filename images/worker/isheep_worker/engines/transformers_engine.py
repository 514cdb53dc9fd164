"""The engine for exact reproduction: models of Transformers with our own sampling.

The engine is deterministic. It batches requests in the order of their group and never across
groups, so the content of a batch, and with it each rounding of its floating-point sums, depends
only on the group and the batch size. Each row has its own random generator (`sampling.py`). A
finished row leaves the batch at a step that also depends only on the group. Therefore, in float32
and with the same machine, versions, number of threads and batch size, a group has the same
completions in each process, independent of interruptions of the run.

Requests that score a continuation have batches of their own (`continuations.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.causal_model import load_model
from isheep_worker.engines.constraint import RegexConstraints, RegexMatcher
from isheep_worker.engines.continuations import (
    GPU_TOKENS_AT_ONCE,
    ContinuationBatch,
    continuation_batches,
)
from isheep_worker.engines.interface import (
    Completion,
    FinishReason,
    PromptTooLongError,
    Request,
)
from isheep_worker.engines.memory import device_memory_errors
from isheep_worker.engines.prefill import prefill, shared_prefix
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.engines.sampling import (
    draw_tokens,
    row_generator,
    token_logprobs,
    uniform,
)
from isheep_worker.engines.stopping import StopStrings

# Steps of one poll: few enough to react quickly to a stop, enough to make a poll cheap.
STEPS_PER_POLL = 16


class TransformersEngine:
    """A causal language model of Transformers on one device."""

    independent_requests = False

    def __init__(
        self,
        model_dir: Path,
        dtype: str,
        max_model_length: int | None,
        runtime: EngineRuntime,
        *,
        max_adapter_rank: int = 0,
    ) -> None:
        """Load the model on the first GPU, or on the CPU if there is no GPU."""
        del max_adapter_rank  # peft adds an adapter of any rank later; nothing is reserved for it
        from transformers import AutoTokenizer  # noqa: PLC0415 - heavy

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        with device_memory_errors(f"loading {model_dir}"):
            self._model: Any = load_model(model_dir, dtype=dtype).to(self._device).eval()
        tokenizer = AutoTokenizer.from_pretrained(
            model_dir, local_files_only=True, trust_remote_code=False
        )
        self._vocabulary = _Vocabulary(tokenizer, self._model)
        own_length = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        bounds = [bound for bound in (own_length, max_model_length) if bound]
        self._max_length = min(bounds) if bounds else None
        self._batch_size = runtime.reduced_batch_size
        self._waiting: deque[tuple[Request, ...]] = deque()
        self._batch: _Batch | ContinuationBatch | None = None
        self._tokens_at_once = GPU_TOKENS_AT_ONCE if self._device == "cuda" else 0
        self._adapted: Any = None

    @property
    def max_in_flight(self) -> int:
        """The current batch and the next one."""
        return 2 * self._batch_size

    @property
    def in_flight(self) -> int:
        """Requests that wait or that are in the current batch."""
        current = self._batch.size if self._batch else 0
        return current + sum(len(batch) for batch in self._waiting)

    def submit(self, group: Sequence[Request]) -> None:
        """Cut a group into batches in its order; raise `PromptTooLongError` for a long prompt."""
        for request in group:
            _check_length(request, self._max_length)
        generating = [request for request in group if not request.continuation]
        for start in range(0, len(generating), self._batch_size):
            self._waiting.append(tuple(generating[start : start + self._batch_size]))
        self._waiting += continuation_batches(
            [request for request in group if request.continuation],
            self._batch_size,
            self._model.config,
            self._tokens_at_once,
        )

    def poll(self) -> list[Completion]:
        """Draw up to `STEPS_PER_POLL` tokens for the rows of the current batch."""
        with device_memory_errors("generating"), torch.inference_mode():
            if self._batch is None:
                if not self._waiting:
                    return []
                self._batch = self._begun(self._waiting.popleft())
            finished: list[Completion] = []
            for _ in range(STEPS_PER_POLL):
                finished += self._batch.step()
                if not self._batch.size:
                    self._batch = None
                    break
            return finished

    def _begun(self, requests: Sequence[Request]) -> _Batch | ContinuationBatch:
        if requests[0].continuation:
            return ContinuationBatch(self._model, requests)
        return _Batch(self._model, self._vocabulary, requests)

    def adapt(self, adapter: Adapter | None) -> None:
        """Replace the current adapter's layers in the model by those of another adapter."""
        if self._adapted is not None:
            # `unload` puts the base's own layers back into `self._model` itself.
            self._adapted.unload()
            self._adapted = None
        if adapter is None:
            return
        from peft import PeftModel  # noqa: PLC0415 - heavy

        with device_memory_errors(f"loading the adapter {adapter.folder}"):
            self._adapted = PeftModel.from_pretrained(self._model, str(adapter.folder)).eval()

    def sleep(self) -> bool:
        """Move the model into the memory of the host."""
        self._move("cpu")
        return True

    def wake(self) -> None:
        """Move the model back to its device."""
        with device_memory_errors("waking the engine after a training"):
            self._move(self._device)

    def _move(self, device: str) -> None:
        self._model.to(device)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Release the model and its memory."""
        self._waiting.clear()
        self._batch = None
        self._model = self._adapted = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _check_length(request: Request, max_length: int | None) -> None:
    prompt, room = len(request.prompt_token_ids), request.room
    if not prompt:
        raise ValueError(f"request {request.id}: the prompt is empty")
    if max_length is not None and prompt + room > max_length:
        raise PromptTooLongError(
            f"request {request.id}: {prompt} prompt tokens and {room} more do not fit "
            f"the model's length of {max_length} tokens: lower maxTokens, or shorten the prompt"
        )


class _Vocabulary:
    """The parts of the tokenizer that generation uses: decoding, EOS ids and token masks."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self._tokenizer = tokenizer
        self._constraints: RegexConstraints | None = None
        self._size: int = model.config.get_text_config().vocab_size
        generation = model.generation_config.eos_token_id
        own = generation if isinstance(generation, list) else [generation]
        self.eos = frozenset({*own, tokenizer.eos_token_id} - {None})
        self.hidden = frozenset(
            token for token, entry in tokenizer.added_tokens_decoder.items() if entry.special
        )

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.backend_tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def matcher(self, regex: str) -> RegexMatcher:
        if self._constraints is None:
            self._constraints = RegexConstraints(self._tokenizer, self._size)
        return self._constraints.matcher(regex)


class _Row:
    """A request that is running: its generator, stop conditions and tokens so far."""

    def __init__(self, request: Request, vocabulary: _Vocabulary) -> None:
        self.request = request
        self.generator = row_generator(request.seed)
        self.matcher = vocabulary.matcher(request.regex) if request.regex else None
        self._ends = vocabulary.eos | set(request.stop_token_ids)
        self._stops = StopStrings(request.stop, vocabulary.decode, vocabulary.hidden)
        self._tokens = 0
        self._logprob = 0.0
        self._present: set[int] = set()

    @property
    def is_penalised(self) -> bool:
        """Whether the presence penalty changes the row's logits."""
        return bool(self.request.presence_penalty and self._present)

    def penalise(self, logits: torch.Tensor) -> None:
        """Subtract the presence penalty in place from the row's logits, shape [vocabulary]."""
        if self.is_penalised:
            present = torch.tensor(sorted(self._present), device=logits.device)
            logits[present] -= self.request.presence_penalty

    def take(self, token: int, logprob: float) -> Completion | None:
        """Add the token that was drawn; return the completion if this token is the last one."""
        self._tokens += 1
        self._logprob += logprob
        self._present.add(token)
        if token in self._ends:
            return self._completion(self._stops.text(), "stop")
        text = self._stops.feed(token)
        if text is not None:
            return self._completion(text, "stop")
        if self.matcher:
            self.matcher.advance(token)
            if self.matcher.is_over:
                return self._completion(self._stops.text(), "stop")
        if self._tokens >= self.request.max_tokens:
            return self._completion(self._stops.text(), "length")
        return None

    def score(self, logits: torch.Tensor) -> Completion:
        """Return the labels' log-probabilities, from the logits after the prompt [vocabulary]."""
        logprobs = torch.log_softmax(logits, dim=-1)[list(self.request.labels)]
        return Completion(
            id=self.request.id,
            text="",
            finish_reason="stop",
            prompt_tokens=len(self.request.prompt_token_ids),
            tokens=0,
            label_logprobs=tuple(logprobs.tolist()),
        )

    def _completion(self, text: str, reason: FinishReason) -> Completion:
        return Completion(
            id=self.request.id,
            text=text,
            finish_reason=reason,
            prompt_tokens=len(self.request.prompt_token_ids),
            tokens=self._tokens,
            logprob=self._logprob if self.request.logprob else None,
        )


class _Batch:
    """Rows that run through the model together, from their prompts to their last tokens."""

    def __init__(self, model: Any, vocabulary: _Vocabulary, requests: Sequence[Request]) -> None:
        self._model = model
        self._device = model.device
        self._rows = [_Row(request, vocabulary) for request in requests]
        prompts = [request.prompt_token_ids for request in requests]
        self._cache, self._mask, logits = prefill(
            model, prompts, shared_prefix(prompts, model.config)
        )
        self._logits = logits[:, -1].float()
        self._positions = self._mask.sum(dim=1, keepdim=True)

    @property
    def size(self) -> int:
        """Number of rows that are not finished."""
        return len(self._rows)

    def step(self) -> list[Completion]:
        """Draw a token for each row, or score its labels; return the finished completions."""
        drawn, logprobs = self._draw()
        completions = [
            row.score(logits) if row.request.labels else row.take(token, logprob)
            for row, token, logprob, logits in zip(
                self._rows, drawn.tolist(), logprobs, self._logits, strict=True
            )
        ]
        live = [i for i, completion in enumerate(completions) if completion is None]
        if len(live) < len(self._rows):
            self._keep(live)
            drawn = drawn[live]
        if live:
            self._forward(drawn)
        return [completion for completion in completions if completion is not None]

    def _draw(self) -> tuple[torch.Tensor, list[float]]:
        """Return the next token of each row, on the CPU, and its log-probability.

        The log-probabilities are 0 if no row asks for them.
        """
        wanted = any(row.request.logprob for row in self._rows)
        changed = any(row.matcher or row.is_penalised for row in self._rows)
        own = self._logits.clone() if wanted and changed else self._logits
        # `logits` is a view of `self._logits`: mask and penalty change the row in place.
        for row, logits in zip(self._rows, self._logits, strict=True):
            if row.matcher:
                logits.masked_fill_(~row.matcher.allowed().to(self._device), float("-inf"))
            row.penalise(logits)
        requests = [row.request for row in self._rows]
        drawn = draw_tokens(
            self._logits,
            self._tensor([request.temperature for request in requests]),
            self._tensor([request.top_p for request in requests]),
            self._tensor([uniform(row.generator) for row in self._rows], torch.float64),
        )
        logprobs = token_logprobs(own, drawn).tolist() if wanted else [0.0] * len(self._rows)
        return drawn.cpu(), logprobs

    def _keep(self, live: list[int]) -> None:
        """Keep only the rows with these indices, in all tensors and in the cache."""
        self._rows = [self._rows[i] for i in live]
        if live:
            indices = torch.tensor(live, device=self._device)
            self._cache.batch_select_indices(indices)
            self._mask = self._mask[indices]
            self._positions = self._positions[indices]

    def _forward(self, tokens: torch.Tensor) -> None:
        """Run the model on one token for each row: shape [rows]."""
        self._mask = torch.cat([self._mask, torch.ones_like(self._positions)], dim=1)
        output = self._model(
            input_ids=tokens.to(self._device).unsqueeze(1),
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._positions = self._positions + 1
        self._logits = output.logits[:, -1].float()

    def _tensor(self, values: list[float], dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.tensor(values, dtype=dtype, device=self._device)

"""A model as lm-eval sees it: it turns lm-eval's requests into token ids and passes them on.

What answers the requests is a parameter: a recorder when requests are rendered, or an engine. So
the prompts are the same in both cases, and lm-eval's own `simple_evaluate` works with an engine.

Texts become token ids as in lm-eval's class for Transformers. Three cases differ, because there the
result would be wrong or would depend on the engine:

- The text of a chat gets no added tokens: the template contains the BOS that the model expects.
- A text whose whole probability is wanted gets one BOS before it. lm-eval's class puts a second one
  between that BOS and the text if the tokenizer adds one.
- Prompt and continuation together have at most the model's length, as in lm-eval's class for vLLM.
  Its class for Transformers accepts one token more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import has_bos_prefix, normalize_gen_kwargs
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from isheep_worker.evaluation.requests import Generation, Output, Scoring, Window, Work
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.chat import conversation_text

DEFAULT_MAX_TOKENS = 256
"""lm-eval's limit for a task that sets none."""
_WITHOUT_EFFECT_IF_GREEDY = frozenset({"top_k", "top_p"})
_KNOWN = frozenset({"until", "max_gen_toks", "do_sample", "temperature", "top_p"})

Answer = Callable[[Sequence[Work]], Sequence[Output]]


class HarnessModel(TemplateLM):  # type: ignore[misc]
    """A model for lm-eval's tasks."""

    def __init__(
        self,
        tokenizer: Any,
        max_length: int,
        answer: Answer,
        *,
        chat_template: str | None = None,
        stop_token_ids: Sequence[int] = (),
    ) -> None:
        """Take the model's tokenizer and what answers requests.

        Args:
            tokenizer: The model's tokenizer, as Transformers loads it.
            max_length: The largest length of prompt and continuation, in tokens.
            answer: Returns the outputs for requests, in order.
            chat_template: The Jinja text of the chat template, or None for prompts without a chat.
            stop_token_ids: Tokens that end a text, besides those of the engine.
        """
        super().__init__()
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._answer = answer
        self._template = chat_template
        self._stop_token_ids = tuple(stop_token_ids)
        # lm-eval takes the EOS of a tokenizer without a BOS.
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self._prefix: int = eos if bos is None else bos
        self._special = {
            str(entry): token
            for token, entry in tokenizer.added_tokens_decoder.items()
            if entry.special
        }

    @property
    def eot_token_id(self) -> int:
        """The tokenizer's EOS."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """The token before a text that has no context."""
        return self._prefix

    @property
    def tokenizer_name(self) -> str:
        """The name under which lm-eval would cache requests."""
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        """Return the token ids of a text, with at most one BOS."""
        if add_special_tokens is None:
            begins = has_bos_prefix(string, self.tokenizer.decode([self._prefix]))
            add_special_tokens = self._template is None and not begins
        ids: list[int] = self.tokenizer.encode(string, add_special_tokens=add_special_tokens)
        return ids

    def apply_chat_template(
        self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Return the text of a conversation. Without a generation prompt, its last turn is open.

        If the template accepts no system message, lm-eval leaves it out, and so does this method.
        """
        from jinja2 import TemplateError  # noqa: PLC0415

        if self._template is None:
            raise ValueError("prompts of this model are no chats")
        how = {
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": not add_generation_prompt,
        }
        try:
            return conversation_text(self.tokenizer, self._template, chat_history, **how)
        except TemplateError:
            turns = [message for message in chat_history if message["role"] != "system"]
            return conversation_text(self.tokenizer, self._template, turns, **how)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        """Return sum and greedy flag of continuations; a long context loses its beginning."""
        works = [self._scoring(context, continuation) for _texts, context, continuation in requests]
        return [(_number(one), bool(one.is_greedy)) for one in self._answer(works)]

    def loglikelihood_rolling(
        self, requests: Sequence[Any], disable_tqdm: bool = False
    ) -> list[float]:
        """Return the log-probabilities of whole texts, in windows that do not overlap."""
        del disable_tqdm
        works = [Scoring(self._windows(str(request.args[0]))) for request in requests]
        return [_number(one) for one in self._answer(works)]

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Return generated texts, without the strings that end them."""
        del disable_tqdm
        works = [self._generation(*request.args) for request in requests]
        return [one.text or "" for one in self._answer(works)]

    def _scoring(self, context: Sequence[int], continuation: Sequence[int]) -> Scoring:
        if not continuation:
            raise BadInputError(
                "an answer of an item has no token of its own, because its tokens are those of "
                "its question: remove the item from the benchmark's file"
            )
        if len(continuation) >= self.max_length:
            raise BadInputError(
                f"an answer of an item has {len(continuation)} tokens, and the model's length is "
                f"{self.max_length}: remove the item from the benchmark's file, or use a model "
                "with more"
            )
        cut = max(0, len(context) + len(continuation) - self.max_length)
        return Scoring((Window(tuple(context[cut:]), tuple(continuation)),), cut)

    def _windows(self, text: str) -> tuple[Window, ...]:
        windows = get_rolling_token_windows(
            token_list=self.tok_encode(text, add_special_tokens=False),
            prefix_token=self._prefix,
            max_seq_len=self.max_length - 1,
            context_len=1,
        )
        pairs = (make_disjoint_window(window) for window in windows)
        return tuple(Window(tuple(context), tuple(continuation)) for context, continuation in pairs)

    def _generation(self, context: str, settings: Mapping[str, Any]) -> Generation:
        known = _checked_settings(settings)
        room = self.max_length - known["max_gen_toks"]
        if room < 1:
            raise BadInputError(
                f"the task generates up to {known['max_gen_toks']} tokens, and the model's length "
                f"is {self.max_length}: use a model with more, or another task"
            )
        prompt = self.tok_encode(context)
        stop = [text for text in known["until"] if text]
        return Generation(
            prompt=tuple(prompt[-room:]),
            max_tokens=known["max_gen_toks"],
            temperature=float(known["temperature"]) if known["do_sample"] else 0.0,
            top_p=float(known.get("top_p", 1.0)) if known["do_sample"] else 1.0,
            # A control token is in no text, so it is found by its id.
            stop=tuple(text for text in stop if text not in self._special),
            stop_token_ids=(
                *self._stop_token_ids,
                *(self._special[text] for text in stop if text in self._special),
            ),
            cut=max(0, len(prompt) - room),
        )


def _checked_settings(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a task's settings of generation in lm-eval's normal form.

    Raises `BadInputError` for a setting that an engine would not apply.
    """
    known: Mapping[str, Any] = normalize_gen_kwargs(dict(settings), DEFAULT_MAX_TOKENS)
    ignored = (
        set(known) - _KNOWN - (frozenset() if known["do_sample"] else _WITHOUT_EFFECT_IF_GREEDY)
    )
    ignored -= {"num_beams"} if known.get("num_beams") == 1 else set()
    if ignored:
        raise BadInputError(
            f"the task sets generation_kwargs.{min(ignored)}, which the engines do not have: use "
            "another task"
        )
    if known["do_sample"] and not float(known.get("temperature", 0.0)) > 0:
        raise BadInputError(
            "the task sets generation_kwargs.do_sample without a temperature above 0: use another "
            "task"
        )
    return known


def _number(output: Output) -> float:
    if output.logprob is None:
        raise ValueError("the output of a scoring has no log-probability")
    return output.logprob

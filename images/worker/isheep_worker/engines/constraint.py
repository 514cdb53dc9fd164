"""Regular expressions that completions must match: one token mask for each step (llguidance).

vLLM uses the same library for its structured outputs, so both engines allow the same texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


class RegexConstraints:
    """Compiles expressions for one tokenizer and returns a matcher for each completion."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        """Prepare for a fast Transformers tokenizer and `vocabulary` logits of the model."""
        from llguidance import LLTokenizer  # noqa: PLC0415 - only constrained runs need it

        backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        backend.no_padding()
        backend.no_truncation()
        self._tokenizer = LLTokenizer(
            backend.to_str(), n_vocab=vocabulary, eos_token=tokenizer.eos_token_id
        )

    def matcher(self, regex: str) -> RegexMatcher:
        """Return a new matcher; raise ValueError if the expression does not compile."""
        from llguidance import LLMatcher  # noqa: PLC0415

        grammar = LLMatcher.grammar_from_regex(regex)
        matcher = LLMatcher(self._tokenizer, grammar)
        if matcher.is_error():
            raise ValueError(f"regular expression {regex!r}: {matcher.get_error()}")
        return RegexMatcher(matcher)


class RegexMatcher:
    """The state of one completion in its expression."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def allowed(self) -> torch.Tensor:
        """Return a mask of the tokens that may come next: bool, shape [vocabulary], on the CPU.

        The mask allows the EOS if the text may end here.
        """
        bias = np.frombuffer(self._matcher.compute_logit_bias(), dtype=np.uint8)
        return torch.from_numpy(bias > 0)

    def advance(self, token: int) -> None:
        """Add the token that was drawn; raise ValueError if the expression does not allow it."""
        if not self._matcher.consume_token(token):
            raise ValueError(
                f"token {token} does not fit the expression: {self._matcher.get_error()}"
            )

    @property
    def is_over(self) -> bool:
        """Whether the expression allows no further token."""
        return bool(self._matcher.is_stopped())

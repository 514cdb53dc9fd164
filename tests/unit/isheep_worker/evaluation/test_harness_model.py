"""Texts become token ids as in lm-eval, with one BOS, and unknown settings are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lm_eval.models.huggingface import HFLM
from transformers import AutoTokenizer

from isheep_worker.evaluation.harness_model import HarnessModel
from isheep_worker.evaluation.requests import Generation, Output, Scoring, Work
from isheep_worker.runtime.errors import BadInputError


class Recorder:
    """Answers nothing and keeps the requests."""

    def __init__(self) -> None:
        self.works: list[Work] = []

    def __call__(self, works: Sequence[Work]) -> list[Output]:
        self.works += works
        return [Output(logprob=0.0, is_greedy=False, text="") for _ in works]


def asked(*arguments: Any) -> Any:
    return SimpleNamespace(args=arguments)


@pytest.fixture(scope="module")
def base_tokenizer(tiny_base_model_dir: Path) -> Any:
    """A tokenizer that adds a BOS."""
    return AutoTokenizer.from_pretrained(tiny_base_model_dir)


def windows(tokenizer: Any, context: str, continuation: str, **how: Any) -> Any:
    recorder = Recorder()
    HarnessModel(tokenizer, 64, recorder, **how).loglikelihood([asked(context, continuation)])
    (work,) = recorder.works
    assert isinstance(work, Scoring)
    (window,) = work.windows
    return window


def generation(tokenizer: Any, context: str, settings: Any, **how: Any) -> Generation:
    recorder = Recorder()
    HarnessModel(tokenizer, 64, recorder, **how).generate_until([asked(context, settings)])
    (work,) = recorder.works
    assert isinstance(work, Generation)
    return work


PAIRS = [
    ("The cat", " is on the mat"),
    ("The cat ", "is on the mat"),
    ("The cat\n", "mat"),
    ("The c", "at is on"),
    ("", "The cat"),
    ("", " is"),
    ("<s>The cat", " is"),
]


@pytest.mark.parametrize(("context", "continuation"), PAIRS)
@pytest.mark.parametrize("adds_bos", [False, True])
def test_pairs_are_split_as_in_lm_eval(
    context: str,
    continuation: str,
    adds_bos: bool,
    tokenizer: Any,
    base_tokenizer: Any,
    tiny_model_dir: Path,
    tiny_base_model_dir: Path,
) -> None:
    folder = tiny_base_model_dir if adds_bos else tiny_model_dir
    own = base_tokenizer if adds_bos else tokenizer
    reference = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)
    seen: list[Any] = []
    reference._loglikelihood_tokens = lambda requests, **_: seen.extend(requests) or [(0.0, False)]
    reference.loglikelihood([asked(context, continuation)])
    ((_, expected_context, expected_continuation),) = seen
    window = windows(own, context, continuation)
    assert list(window.context) == expected_context
    assert list(window.continuation) == expected_continuation
    assert window.context.count(own.bos_token_id) == (1 if adds_bos or not context else 0)


def test_a_trailing_space_belongs_to_the_answer(tokenizer: Any) -> None:
    assert windows(tokenizer, "The cat ", "is") == windows(tokenizer, "The cat", " is")


def test_an_answer_that_merges_with_its_question_has_the_tokens_after_it(tokenizer: Any) -> None:
    """The tokens of question and answer together decide, as in lm-eval."""
    question, answer = "The answer is he", "re"
    whole = tokenizer.encode(question + answer)
    before = tokenizer.encode(question)
    assert whole[: len(before)] != before
    merged = "Instruc", "tion: Name"
    both, first = tokenizer.encode("".join(merged)), tokenizer.encode(merged[0])
    window = windows(tokenizer, *merged)
    assert list(window.context) == first
    assert list(window.continuation) == both[len(first) :]
    with pytest.raises(BadInputError, match="no token of its own"):
        windows(tokenizer, question, answer)


def test_a_chat_gets_no_added_tokens(base_tokenizer: Any) -> None:
    chat = "<s>user\nThe cat\nassistant\n"
    found = windows(base_tokenizer, chat, "is", chat_template="{{ messages }}")
    assert found.context.count(base_tokenizer.bos_token_id) == 1
    plain = windows(base_tokenizer, "user\nThe cat", " is", chat_template="{{ messages }}")
    assert base_tokenizer.bos_token_id not in plain.context
    template = "{% for m in messages %}{{ m.role + ':' + m.content + '|' }}{% endfor %}"
    model = HarnessModel(base_tokenizer, 64, Recorder(), chat_template=template)
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert model.apply_chat_template(turns) == "user:a|assistant:b|"
    assert model.apply_chat_template(turns, add_generation_prompt=False) == "user:a|assistant:b"


def test_a_system_message_is_left_out_if_the_template_refuses_it(tokenizer: Any) -> None:
    template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    model = HarnessModel(tokenizer, 64, Recorder(), chat_template=template)
    turns = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    assert model.apply_chat_template(turns) == "b"


def test_a_long_question_loses_its_beginning(tokenizer: Any) -> None:
    window = windows(tokenizer, "The cat is on the mat. " * 20, "is")
    assert len(window.context) + len(window.continuation) == 64
    recorder = Recorder()
    model = HarnessModel(tokenizer, 64, recorder)
    model.loglikelihood([asked("The cat is on the mat. " * 20, "is")])
    assert recorder.works[0].cut > 0
    with pytest.raises(BadInputError, match="model's length is 64"):
        windows(tokenizer, "a", " is on the mat." * 30)


@pytest.mark.parametrize("adds_bos", [False, True])
def test_a_whole_text_is_scored_once_in_windows_with_one_bos(
    adds_bos: bool, tokenizer: Any, base_tokenizer: Any
) -> None:
    own = base_tokenizer if adds_bos else tokenizer
    text = "The cat is on the mat. " * 20
    recorder = Recorder()
    HarnessModel(own, 64, recorder).loglikelihood_rolling([asked(text)])
    (work,) = recorder.works
    assert isinstance(work, Scoring)
    assert work.windows[0].context == (own.bos_token_id,)
    scored = [token for window in work.windows for token in window.continuation]
    assert scored == own.encode(text, add_special_tokens=False)
    assert all(len(one.context) + len(one.continuation) <= 64 for one in work.windows)
    assert len(work.windows) > 2


def test_a_text_ends_at_strings_and_at_control_tokens(tokenizer: Any) -> None:
    settings = {"until": ["\n", "", "<|im_end|>"], "max_gen_toks": 8}
    found = generation(tokenizer, "The cat", settings, stop_token_ids=(5,))
    assert found.stop == ("\n",)
    assert found.stop_token_ids == (5, tokenizer.convert_tokens_to_ids("<|im_end|>"))
    assert (found.max_tokens, found.temperature, found.top_p) == (8, 0.0, 1.0)
    assert generation(tokenizer, "a", {"until": "x", "max_gen_toks": 8}).stop == ("x",)


@pytest.mark.parametrize(
    ("settings", "temperature", "top_p"),
    [
        ({"temperature": 0.7}, 0.7, 1.0),
        ({"do_sample": True, "temperature": 0.5, "top_p": 0.9}, 0.5, 0.9),
        ({"do_sample": False, "temperature": 0.5, "top_p": 0.9, "top_k": 3}, 0.0, 1.0),
        ({"num_beams": 1}, 0.0, 1.0),
        ({}, 0.0, 1.0),
    ],
)
def test_sampling_is_the_tasks_own(
    settings: dict[str, Any], temperature: float, top_p: float, tokenizer: Any
) -> None:
    found = generation(tokenizer, "a", {"max_new_tokens": 3, **settings})
    assert (found.temperature, found.top_p, found.max_tokens) == (temperature, top_p, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_sample": True, "temperature": 1.0, "top_k": 5}, "generation_kwargs.top_k"),
        ({"num_beams": 4}, "generation_kwargs.num_beams"),
        ({"repetition_penalty": 1.2}, "generation_kwargs.repetition_penalty"),
        ({"do_sample": True}, "without a temperature above 0"),
        ({"max_gen_toks": 64}, "generates up to 64 tokens, and the model's length is 64"),
    ],
)
def test_settings_that_an_engine_would_ignore_are_refused(
    settings: dict[str, Any], message: str, tokenizer: Any
) -> None:
    with pytest.raises(BadInputError, match=message):
        generation(tokenizer, "a", {"max_gen_toks": 8, **settings})


def test_a_prompt_leaves_room_for_the_text(tokenizer: Any) -> None:
    found = generation(tokenizer, "The cat is on the mat. " * 20, {"max_gen_toks": 20})
    assert len(found.prompt) == 44
    assert found.cut > 0

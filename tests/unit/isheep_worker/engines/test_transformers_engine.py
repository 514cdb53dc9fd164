"""The Transformers engine on a tiny model: reproducible completions, labels, adapters."""

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from isheep_worker.engines import prefill, transformers_engine
from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.interface import Completion, Engine, PromptTooLongError, Request
from isheep_worker.engines.registry import open_engine
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.templates.rubric import CONSTRAINED_ANSWER

# The token that ends a text in the tiny model's vocabulary.
EOS = 2


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model_dir)


def opened(folder: Path, batch_size: int = 4) -> Engine:
    return open_engine("Transformers", folder, "float32", 512, EngineRuntime(batch_size=batch_size))


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> Iterator[Engine]:
    engine = opened(tiny_model_dir)
    yield engine
    engine.close()


def request(number: int, prompt: Sequence[int], **fields: Any) -> Request:
    values = {
        "id": str(number),
        "prompt_token_ids": tuple(prompt),
        "seed": 2**62 + number,
        "temperature": 1.0,
        "top_p": 0.95,
        "max_tokens": 12,
    }
    return Request(**{**values, **fields})


def requests(tokenizer: Any, count: int = 10, **fields: Any) -> list[Request]:
    """Prompts of different lengths with a long common beginning."""
    shared = tokenizer.encode("Name three fruits. The answer is here. " * 6)
    return [
        request(i, [*shared, *tokenizer.encode(f"{i} and " * (i % 4 + 1))], **fields)
        for i in range(count)
    ]


def drain(engine: Engine, *groups: list[Request]) -> dict[str, Completion]:
    for group in groups:
        engine.submit(group)
    done: list[Completion] = []
    while engine.in_flight:
        done += engine.poll()
    assert len({completion.id for completion in done}) == len(done)
    return {completion.id: completion for completion in done}


def test_a_group_has_the_same_completions_in_every_engine(tiny_model_dir: Path, engine, tokenizer):
    first = drain(engine, requests(tokenizer))
    assert len(first) == 10
    assert len({completion.text for completion in first.values()}) > 1
    again = opened(tiny_model_dir)
    try:
        before = [
            dataclasses.replace(r, id=f"x{r.id}", seed=1, max_tokens=3) for r in requests(tokenizer)
        ]
        after = drain(again, before, requests(tokenizer))
    finally:
        again.close()
    assert {id_: after[id_] for id_ in first} == first


def test_different_seeds_give_different_completions(engine, tokenizer):
    one = drain(engine, requests(tokenizer, seed=1))
    other = drain(engine, requests(tokenizer, seed=2))
    assert {i: c.text for i, c in one.items()} != {i: c.text for i, c in other.items()}


def test_greedy_completions_equal_those_of_the_plain_model(
    tiny_model_dir: Path, engine, tokenizer, monkeypatch: pytest.MonkeyPatch
):
    """Padding, positions, the shared beginning and the cache do not change the completions."""
    requested = requests(tokenizer, 4, temperature=0.0)
    found = drain(engine, requested)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype="float32")
    for one in requested:
        ids = torch.tensor([one.prompt_token_ids])
        for _ in range(one.max_tokens):
            with torch.inference_mode():
                token = model(input_ids=ids).logits[0, -1].argmax()
            if token == EOS:
                break
            ids = torch.cat([ids, token.reshape(1, 1)], dim=1)
        expected = tokenizer.decode(ids[0, len(one.prompt_token_ids) :], skip_special_tokens=True)
        assert found[one.id].text == expected

    monkeypatch.setattr(prefill, "PASS_TOKENS", 10**6)
    assert drain(engine, requested) == found


def test_a_presence_penalty_is_subtracted_once_from_each_token_of_the_completion(
    tiny_model_dir: Path, engine, tokenizer
):
    penalties = [0.0, 2.0, -2.0, 0.01]
    requested = [
        dataclasses.replace(one, presence_penalty=penalty)
        for one, penalty in zip(
            requests(tokenizer, 4, temperature=0.0, max_tokens=24), penalties, strict=True
        )
    ]
    found = drain(engine, requested)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype="float32")
    for one in requested:
        ids: list[int] = list(one.prompt_token_ids)
        drawn: list[int] = []
        while len(drawn) < one.max_tokens and EOS not in drawn:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids + drawn])).logits[0, -1].clone()
            for token in set(drawn):
                logits[token] -= one.presence_penalty
            drawn.append(int(logits.argmax()))
        assert found[one.id].text == tokenizer.decode(drawn, skip_special_tokens=True)
        assert found[one.id].tokens == len(drawn)


def test_a_completion_ends_at_its_maximum_length(engine, tokenizer):
    requested = requests(tokenizer, 1, max_tokens=5)
    (found,) = drain(engine, requested).values()
    assert (found.finish_reason, found.tokens) == ("length", 5)
    assert found.prompt_tokens == len(requested[0].prompt_token_ids)


def test_a_completion_ends_at_a_stop_token_that_its_text_leaves_out(engine, tokenizer):
    (requested,) = requests(tokenizer, 1, temperature=0.0)
    (free,) = drain(engine, [requested]).values()
    ids = tokenizer.encode(free.text)
    (found,) = drain(engine, [dataclasses.replace(requested, stop_token_ids=(ids[2],))]).values()
    assert found.finish_reason == "stop"
    assert found.text == tokenizer.decode(ids[: ids.index(ids[2])])


def test_a_completion_ends_at_a_stop_string_across_tokens(engine, tokenizer):
    (requested,) = requests(tokenizer, 1)
    (free,) = drain(engine, [requested]).values()
    stop = free.text[3:7]
    (found,) = drain(engine, [dataclasses.replace(requested, stop=("never there", stop))]).values()
    assert found.finish_reason == "stop"
    assert found.text == free.text[: free.text.index(stop)]
    assert found.tokens <= free.tokens


def test_rows_that_end_early_do_not_change_other_rows(engine, tokenizer):
    """Finished rows leave the batch; the other rows continue with their own state."""
    requested = requests(tokenizer, 4, temperature=0.0)
    alone = drain(engine, requested)
    lengths = (1, 12, 3, 7)
    mixed = [dataclasses.replace(r, max_tokens=n) for r, n in zip(requested, lengths, strict=True)]
    found = drain(engine, mixed)
    assert [found[r.id].tokens for r in requested] == [
        min(alone[r.id].tokens, n) for r, n in zip(requested, lengths, strict=True)
    ]
    for one in requested:
        assert alone[one.id].text.startswith(found[one.id].text)
    assert found["1"].text == alone["1"].text


def test_constrained_completions_match_their_expression(engine, tokenizer):
    import re

    requested = requests(tokenizer, 8, regex=CONSTRAINED_ANSWER, max_tokens=200)
    for completion in drain(engine, requested).values():
        assert re.fullmatch(CONSTRAINED_ANSWER, completion.text)
        assert completion.finish_reason == "stop"


def test_a_constrained_completion_ends_if_its_expression_allows_no_further_token(engine, tokenizer):
    (found,) = drain(engine, requests(tokenizer, 1, regex="yes|no")).values()
    assert found.text in {"yes", "no"}
    assert found.finish_reason == "stop"


def test_an_expression_that_does_not_compile_is_refused(engine, tokenizer):
    engine.submit(requests(tokenizer, 1, regex="("))
    with pytest.raises(ValueError, match="regular expression"):
        engine.poll()
    drain(engine)


def test_a_too_long_prompt_is_refused_with_its_whole_group(engine, tokenizer):
    with pytest.raises(PromptTooLongError, match=r"request 7: 505 prompt tokens and 8 .* 512"):
        engine.submit([*requests(tokenizer, 2), request(7, [5] * 505, max_tokens=8)])
    assert engine.in_flight == 0
    (found,) = drain(engine, [request(7, [5] * 505, max_tokens=7)]).values()
    assert found.prompt_tokens == 505


def test_labels_have_the_probabilities_of_the_model(tiny_model_dir: Path, engine, tokenizer):
    """The probabilities are over the whole vocabulary, with any batch and any order of labels."""
    labels = tuple(tokenizer.encode("9753102468"))
    requested = requests(tokenizer, 6, labels=labels, max_tokens=1)
    writing = dataclasses.replace(requested[2], labels=(), max_tokens=5)
    found = drain(engine, [*requested[:2], writing, *requested[3:]])
    assert found[writing.id].tokens == 5
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype="float32")
    for one in (*requested[:2], *requested[3:]):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([one.prompt_token_ids])).logits[0, -1]
        expected = logits.log_softmax(-1)[list(labels)].tolist()
        assert found[one.id].label_logprobs == pytest.approx(expected, abs=1e-4)
        assert (found[one.id].text, found[one.id].tokens) == ("", 0)
    assert not found[writing.id].label_logprobs


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 0.3, "top_p": 0.7},
        {"temperature": 0.0, "presence_penalty": 2.0},
        {"regex": CONSTRAINED_ANSWER, "max_tokens": 20},
    ],
)
def test_the_log_probability_of_a_completion_is_that_of_the_plain_model(
    tiny_model_dir: Path, engine, tokenizer, changed: dict[str, Any], monkeypatch
):
    """Temperature, nucleus, penalty and mask choose the tokens, and do not change their value."""
    drawn: dict[str, list[int]] = {}
    take = transformers_engine._Row.take

    def noted(row: Any, token: int, logprob: float) -> Completion | None:
        drawn.setdefault(row.request.id, []).append(token)
        return take(row, token, logprob)

    monkeypatch.setattr(transformers_engine._Row, "take", noted)
    wanted = requests(tokenizer, 3, logprob=True, **changed)
    plain = [dataclasses.replace(one, id=f"p{one.id}", logprob=False) for one in wanted]
    found = drain(engine, wanted, plain)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype="float32")
    for one in wanted:
        tokens = drawn[one.id]
        assert len(tokens) == found[one.id].tokens
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([[*one.prompt_token_ids, *tokens]])).logits[0]
        logprobs = torch.log_softmax(logits[len(one.prompt_token_ids) - 1 : -1], dim=-1)
        expected = sum(float(row[token]) for row, token in zip(logprobs, tokens, strict=True))
        assert found[one.id].logprob == pytest.approx(expected, abs=1e-3)
        assert found[f"p{one.id}"].logprob is None
        assert found[f"p{one.id}"].text == found[one.id].text


def test_an_idle_engine_returns_no_completions(engine):
    assert engine.in_flight == 0
    assert engine.poll() == []
    assert engine.max_in_flight == 8


def test_an_adapter_on_the_base_answers_like_merged_weights(
    tiny_model_dir: Path, tokenizer, adapter_of, merged_of, tmp_path: Path
):
    """One engine switches between base and adapters, and each answers as in a separate engine."""
    folders = [adapter_of(tiny_model_dir, tmp_path / f"a{seed}", seed=seed) for seed in (1, 2)]
    requested = requests(tokenizer, 6, temperature=0.0)
    expected = []
    for model in (
        tiny_model_dir,
        *(merged_of(one, tiny_model_dir, tmp_path / f"{one.name}-merged") for one in folders),
    ):
        alone = opened(model)
        expected.append(drain(alone, requested))
        alone.close()
    # The adapters are large enough to change the answers.
    assert len({repr(found) for found in expected}) == 3

    engine = opened(tiny_model_dir)
    one, other = (Adapter(folder.name, folder, 4) for folder in folders)
    rounds = [(None, 0), (one, 1), (None, 0), (other, 2), (one, 1), (None, 0)]
    for adapter, which in rounds:
        engine.adapt(adapter)
        assert drain(engine, requested) == expected[which]
        # As during a training between two models.
        assert engine.sleep()
        engine.wake()
    engine.close()


@pytest.mark.parametrize("experts", [False, True])
def test_the_logits_of_an_adapter_are_those_of_merged_weights(
    experts: bool, tiny_model_dir: Path, architecture_dir, adapter_of, merged_of, tmp_path: Path
):
    model = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    if experts:
        shutil.copytree(architecture_dir("qwen3_moe"), model, dirs_exist_ok=True)
    folder = adapter_of(model, tmp_path / "adapter", seed=3)
    merged = merged_of(folder, model, tmp_path / "merged")
    engine = opened(model)
    ids = torch.arange(20).reshape(1, -1)
    with torch.inference_mode():
        base = engine._model(input_ids=ids).logits
        engine.adapt(Adapter("a", folder, 4))
        found = engine._model(input_ids=ids).logits
        expected = AutoModelForCausalLM.from_pretrained(merged)(input_ids=ids).logits
        engine.adapt(None)
        again = engine._model(input_ids=ids).logits
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, base, atol=0.1)
    assert torch.equal(again, base)
    engine.close()


def test_the_engine_computes_in_the_requested_dtype(tiny_model_dir: Path, tokenizer):
    engine = open_engine("Transformers", tiny_model_dir, "bfloat16", None, EngineRuntime())
    found = drain(engine, requests(tokenizer, 2))
    engine.close()
    engine.close()
    assert len(found) == 2

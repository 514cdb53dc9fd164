"""Labels with real tokenizers, some of which join labels with the text before them."""

import pytest
from transformers import AutoTokenizer

from isheep_worker.runtime.errors import BadInputError
from isheep_worker.scoring.resolution import resolve_labels
from isheep_worker.templates.chat import PromptRenderer, resolve_chat_format
from isheep_worker.templates.labels import LABEL_SETS, LabelError, label_set, label_token_ids
from isheep_worker.templates.library import TemplateLibrary

LIBRARY = TemplateLibrary()
BOTH = ("Quality", "Following")


def resolved(tokenizer, prompt_format="Raw", rubric="Combined"):
    renderer = PromptRenderer(tokenizer, resolve_chat_format(tokenizer))
    return resolve_labels(LIBRARY, renderer, prompt_format, rubric, BOTH)


@pytest.mark.parametrize("prompt_format", ["Raw", "Chat"])
@pytest.mark.parametrize("rubric", ["Simple", "Combined", "InContext"])
def test_a_real_tokenizer_has_digits_after_a_space(smollm2_dir, prompt_format, rubric):
    tokenizer = AutoTokenizer.from_pretrained(smollm2_dir)
    found = resolved(tokenizer, prompt_format, rubric)
    assert found.kind == "DigitsAfterSpace"
    assert tokenizer.convert_ids_to_tokens(list(found.token_ids)) == list("0123456789")


def test_the_first_set_that_a_tokenizer_allows_is_used(joining):
    spaces, lines = [f" {n}" for n in range(10)], [f"\n{n}" for n in range(10)]
    assert resolved(joining("nothing")).kind == "DigitsAfterSpace"
    assert resolved(joining(" 7")).kind == "DigitsAfterNewline"
    assert resolved(joining(*spaces, *lines)).kind == "LettersAfterNewline"
    assert resolved(joining(" 7", "\n7")).kind == "LettersAfterNewline"


@pytest.mark.parametrize("prompt_format", ["Raw", "Chat"])
def test_a_tokenizer_that_allows_no_set_is_refused(prompt_format, joining):
    with pytest.raises(BadInputError) as refused:
        resolved(joining(" 7", "\n4", "\nB"), prompt_format)
    message = str(refused.value)
    assert message.startswith("assessment.scoring: Expected")
    for label in ("'7' after 'Score: '", "'4' after 'Score:\\n'", "'B' after 'Score:\\n'"):
        assert f"{label} is not a single token" in message
    assert "scoring: Sampled" in message


def test_a_label_of_two_tokens_is_refused():
    def encode(text: str) -> list[int]:
        return [0, *(n for c in text for n in ((1, 2) if c == "9" else (ord(c),)))]

    with pytest.raises(LabelError, match="DigitsAfterSpace: '9' after 'Score: '"):
        label_token_ids(label_set("DigitsAfterSpace"), [encode])


def test_equal_tokens_and_different_tokens_after_different_prompts_are_refused():
    digits = label_set("DigitsAfterSpace")
    with pytest.raises(LabelError, match="two labels have the same token"):
        label_token_ids(digits, [lambda text: [0, *([1] if text else [])]])
    prompts = [lambda text, n=n: [n, *(ord(c) + n for c in text)] for n in (0, 1)]
    with pytest.raises(LabelError, match="different tokens after different prompts"):
        label_token_ids(digits, prompts)


@pytest.mark.parametrize("labels", LABEL_SETS, ids=lambda labels: labels.kind)
def test_there_are_ten_labels_and_none_is_the_beginning_of_another(labels):
    assert len(set(labels.labels)) == 10
    assert all(
        not one.startswith(other)
        for one in labels.labels
        for other in labels.labels
        if one != other
    )

"""Principle-driven answers: the form of the prompt, and a parser that returns only the reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary
from isheep_worker.templates.principles import (
    EMPTY_REPLY,
    LEAKED_THOUGHTS,
    NO_REPLY,
    REPLY,
    STOP,
    THOUGHTS,
    Reply,
    principle_prompt,
    read_reply,
    worked_examples,
)

LIBRARY = TemplateLibrary()


def test_a_prompt_is_constant_up_to_the_request():
    one = principle_prompt(LIBRARY, 5, "Name a bird.", "")
    two = principle_prompt(LIBRARY, 5, "Sort the words.", "b, a")
    constant = principle_prompt(LIBRARY, 5, "", "").removesuffix(" \nPrivate thoughts:")
    assert one == f"{constant} Name a bird.\nPrivate thoughts:"
    assert two == f"{constant} Sort the words.\nb, a\nPrivate thoughts:"


def test_the_first_exemplars_are_shown_after_the_principles():
    prompt = principle_prompt(LIBRARY, 2, "Name a bird.", "")
    first, second, third, *_ = worked_examples(LIBRARY)
    assert prompt.startswith(LIBRARY.render("dromedary-principles").strip())
    assert f"{THOUGHTS} {first.thoughts}\n{REPLY} {first.reply}\n\n###\n" in prompt
    assert second.reply in prompt
    assert third.reply not in prompt


def test_there_are_sixteen_principles_and_every_exemplar_names_one():
    principles = [
        line for line in LIBRARY.render("dromedary-principles").split("\n") if line[:1].isdigit()
    ]
    assert [int(line.split()[0]) for line in principles] == list(range(1, 17))
    examples = worked_examples(LIBRARY)
    assert len(examples) >= 5
    assert all("rinciple" in one.thoughts for one in examples)
    assert not any("rinciple" in one.reply for one in examples)


def test_too_few_exemplars_in_the_template_are_refused():
    with pytest.raises(PromptTemplateError, match=r"spec\.dromedary\.exemplars is 16"):
        principle_prompt(LIBRARY, 16, "Name a bird.", "")


def test_an_answer_in_the_expected_form_is_read_back_up_to_the_stop_string():
    shown = principle_prompt(LIBRARY, 5, "Name a bird.", "")
    for one in worked_examples(LIBRARY)[:5]:
        answer = shown.partition(f"{one.request}\n{THOUGHTS}")[2]
        end = min(answer.index(stop) for stop in STOP if stop in answer)
        assert read_reply(answer[:end]) == Reply(one.reply)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (" I think.\nPublic reply: A wren.", Reply("A wren.")),
        (" I think.\nPublic reply:\n\nA wren.\n\n- It sings.\n", Reply("A wren.\n\n- It sings.")),
        (" I think.\n **Public Reply:** A wren.\n###", Reply("A wren.")),
        (" I think.\npublic reply : A wren.", Reply("A wren.")),
        ("Public reply: A wren.", Reply("A wren.")),
        (" My public reply: a wren.\n", Reply(rule=NO_REPLY)),
        (" I think of birds.", Reply(rule=NO_REPLY)),
        ("", Reply(rule=NO_REPLY)),
        (" I think.\nPublic reply:", Reply(rule=EMPTY_REPLY)),
        (" I think.\nPublic reply: \n ###\n", Reply(rule=EMPTY_REPLY)),
        (" I think.\nPublic reply: A.\nPrivate thoughts: More.", Reply(rule=LEAKED_THOUGHTS)),
        (" I think.\nPublic reply: A.\n**Public reply**: B.", Reply(rule=LEAKED_THOUGHTS)),
        (" I think.\nPublic reply: My private thoughts : none.", Reply(rule=LEAKED_THOUGHTS)),
        (
            " I think.\nPublic reply: Keep private thoughts to yourself.",
            Reply("Keep private thoughts to yourself."),
        ),
        (" I.\nPrivate thoughts: think.\nPublic reply: A.", Reply("A.")),
    ],
)
def test_the_reply_of_an_answer_is_found(answer: str, reply: Reply):
    assert read_reply(answer) == reply


PIECES = st.sampled_from(
    [THOUGHTS, REPLY, "Request:", "\n", "###", " ", "**", "ZEBRA", "\u202e", "\ud800", "\x00", "a"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_every_answer_can_be_parsed_and_no_reply_contains_thoughts(answer: str):
    reply = read_reply(answer)
    assert bool(reply.text) != bool(reply.rule)
    assert THOUGHTS not in reply.text
    assert REPLY not in reply.text
    before = answer.lower().partition(REPLY.lower())[0]
    if "ZEBRA" in before and "ZEBRA" not in answer[len(before) :]:
        assert "ZEBRA" not in reply.text


@pytest.mark.parametrize(
    "answer", ["a" * 10**6, "Public reply" * 80_000, " " * 10**6, "*" * 10**6, "\n" * 10**6]
)
def test_an_answer_of_a_megabyte_is_parsed_in_time(answer: str):
    assert read_reply(answer).rule == NO_REPLY

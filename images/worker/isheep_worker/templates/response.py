"""The prompts that a response is sampled from, and the ones that it is trained on.

In the first iteration the model is a base model and gets the bare task (`response_raw`);
from the second on it has been tuned on chats and gets it as a user's message
(`response_chat`). Training always uses the chat form.
"""

from __future__ import annotations

from isheep_worker.templates.library import TemplateLibrary

RAW, CHAT, VERBOSE = "response-raw", "response-chat", "dromedary-verbose"


def response_raw(library: TemplateLibrary, instruction: str, input_text: str) -> str:
    """Return the raw prompt: instruction, newline, input, newline."""
    return library.render(RAW, instruction=instruction.strip(), input=input_text.strip())


def response_chat(library: TemplateLibrary, instruction: str, input_text: str) -> str:
    """Return the user's message, without white space around it (chat templates trim, too)."""
    return library.render(CHAT, instruction=instruction.strip(), input=input_text.strip()).strip()


def response_verbose(library: TemplateLibrary, instruction: str, input_text: str) -> str:
    """Return the user's message, or the raw prompt, that asks to be thorough as well."""
    return library.render(
        VERBOSE, instruction=instruction.strip(), input=input_text.strip()
    ).strip()

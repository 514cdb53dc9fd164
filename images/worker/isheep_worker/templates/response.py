"""The prompts for responses, in inference and in training.

In the first iteration the model is a base model and gets the task alone (`response_raw`). From the
second iteration on, the model is fine-tuned on chats and gets the task as a user's message
(`response_chat`). Training always uses the chat format.
"""

from __future__ import annotations

from isheep_worker.templates.library import TemplateLibrary

RAW, CHAT, VERBOSE = "response-raw", "response-chat", "dromedary-verbose"


def response_raw(library: TemplateLibrary, instruction: str, input_text: str) -> str:
    """Return the raw prompt: instruction, newline, input, newline."""
    return library.render(RAW, instruction=instruction.strip(), input=input_text.strip())


def response_chat(library: TemplateLibrary, instruction: str, input_text: str) -> str:
    """Return the user's message without outer white space, which chat templates remove too."""
    return library.render(CHAT, instruction=instruction.strip(), input=input_text.strip()).strip()


def response_verbose(library: TemplateLibrary, instruction: str, input_text: str) -> str:
    """Return the user's message or the raw prompt that also asks for a thorough answer."""
    return library.render(
        VERBOSE, instruction=instruction.strip(), input=input_text.strip()
    ).strip()

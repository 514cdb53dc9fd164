"""The token ids of a pair whose losses are measured (Table 3, Perplexity).

The scripts of the paper compute the perplexity of the response alone, with nothing before it, and
of the whole pair as plain text. After its own prompt, a response almost never has a perplexity
above 50, so the perplexity given the prompt is another filter.
"""

from __future__ import annotations

from dataclasses import dataclass

from isheep.contract.choices import PromptFormat
from isheep_worker.measures.texts import TokenText
from isheep_worker.rows.schema import PairRow
from isheep_worker.templates.chat import PromptRenderer
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.prompting import task_prompt, task_response
from isheep_worker.templates.response import response_raw


@dataclass(frozen=True, slots=True)
class PairTexts:
    """The text with the loss of the response, and the text with the loss of the whole pair.

    Both are one text if the response is measured after its prompt.
    """

    response: TokenText
    pair: TokenText


def prompted_texts(
    library: TemplateLibrary, renderer: PromptRenderer, prompt_format: PromptFormat, pair: PairRow
) -> PairTexts | None:
    """Return the zero-shot prompt with the response, or None if one of the two has no tokens."""
    prompt = task_prompt(library, renderer, prompt_format, pair.instruction, pair.input)
    response = task_response(library, renderer, prompt_format, pair, ended=False)
    text = TokenText(pair.id, prompt, response)
    return PairTexts(text, text) if text.prompt_ids and text.response_ids else None


def plain_texts(
    library: TemplateLibrary, renderer: PromptRenderer, pair: PairRow
) -> PairTexts | None:
    """Return the response alone, and the raw prompt with the response, as plain texts.

    The first token of a text has no loss, because nothing precedes it; that is the BOS if the model
    expects one. The result is None if the response has no token with a loss.
    """
    whole = response_raw(library, pair.instruction, pair.input) + pair.response
    response = _plain(f"{pair.id}/response", renderer.raw(pair.response))
    text = _plain(f"{pair.id}/pair", renderer.raw(whole))
    return None if response is None or text is None else PairTexts(response, text)


def _plain(id_: str, ids: list[int]) -> TokenText | None:
    return TokenText(id_, ids[:1], ids[1:]) if len(ids) > 1 else None

"""Chat template and stop tokens next to trained weights, so that serving uses what training used.

A base model without a chat template is trained with one that this project chooses. A server
that reads the weights finds the template and the stop tokens in these files only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def write_chat(folder: Path, template: str, stop_token_ids: Iterable[int]) -> None:
    """Write a chat template and the stop tokens into a model's or an adapter's folder.

    All other entries of the folder's configuration files stay as they are.

    Args:
        folder: The folder of the weights.
        template: The chat template as Jinja source.
        stop_token_ids: The ids of the tokens that end a response.
    """
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    ids = sorted(set(stop_token_ids))
    eos = {"eos_token_id": ids[0] if len(ids) == 1 else ids}
    edit_json(folder / "generation_config.json", lambda config: config.update(eos))
    if (folder / "config.json").exists():
        edit_json(folder / "config.json", lambda config: config.update(eos))


def edit_json(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Apply `edit` to the JSON object of a file; create the file if it does not exist."""
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    edit(document)
    text = json.dumps(document, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")

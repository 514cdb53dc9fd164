"""What goes with trained weights, so that whoever serves them asks as training did.

A chat template and the tokens that end a response are a model's as much as its weights
are: a base without a template of its own was trained with one that only we know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def write_chat(folder: Path, template: str, stop_token_ids: Iterable[int]) -> None:
    """Leave a chat template (Jinja source) and the ids that end a response in a folder.

    What its configurations say besides stays.
    """
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    ids = sorted(set(stop_token_ids))
    eos = {"eos_token_id": ids[0] if len(ids) == 1 else ids}
    edit_json(folder / "generation_config.json", lambda config: config.update(eos))
    if (folder / "config.json").exists():
        edit_json(folder / "config.json", lambda config: config.update(eos))


def edit_json(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change a file's JSON object, or make one."""
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    edit(document)
    text = json.dumps(document, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")

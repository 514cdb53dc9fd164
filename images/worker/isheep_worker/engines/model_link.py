"""A path that is the same for every model, so that vLLM finds what it has compiled before.

vLLM's key for compiled code contains the path of the model, the configuration and the settings, but
no weights. M(1), M(2) and so on have the same configuration and differ in their folders only.
Through a link with a constant path, vLLM therefore compiles them once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isheep_worker.engines.compile_cache import locked, trusted_folder


@contextmanager
def linked_model(model: Path) -> Iterator[Path]:
    """Yield a constant path that leads to the model's folder while the context is open.

    One engine of a user on a machine can have the path at a time. Further engines get the model's
    own path, so they compile for themselves.
    """
    folder = trusted_folder(Path(tempfile.gettempdir()) / f"isheep-{os.geteuid()}" / "served")
    if folder is None:
        yield model
        return
    with locked(folder / ".lock") as alone:
        if not alone:
            yield model
            return
        link = folder / "model"
        link.unlink(missing_ok=True)
        link.symlink_to(model.resolve(), target_is_directory=True)
        yield link

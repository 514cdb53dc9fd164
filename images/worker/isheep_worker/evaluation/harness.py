"""lm-eval inside a worker: no network, no progress bars, and random numbers for each item.

Some tasks load data when they are loaded or scored. In a worker, a data set comes from files that
prepare has read, and NLTK's data from a folder of the image. A download would need the network, and
its result could differ from day to day, so it is refused with a message that names the remedy.

The code of tasks logs and prints answers of models, such as those whose language IFEval cannot
detect. A log must not contain generated text, so nothing of this code reaches it.

An answer with thousands of opening brackets is no JSON to a task. But Python's reader of JSON ends
in an error of another kind there, and a collapsed model writes such answers. So it raises the usual
error.
"""

from __future__ import annotations

import io
import json
import logging
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from isheep_worker.runtime.errors import BadInputError

_PACKAGES = ("isheep", "isheep_worker")
_JSON_LOADS = json.loads


def nltk_folder() -> Path:
    """Return the folder for NLTK's data; NLTK itself searches it, and the folders of $NLTK_DATA."""
    return Path(sys.prefix) / "nltk_data"


@contextmanager
def harness(load_dataset: Callable[..., Any] | None = None) -> Iterator[None]:
    """Use lm-eval in the body without progress bars, logs, and downloads of NLTK's data.

    Args:
        load_dataset: The function that tasks call instead of `datasets.load_dataset`; None for the
            data sets of the hub.
    """
    import datasets  # noqa: PLC0415 (heavy)
    from huggingface_hub import constants  # noqa: PLC0415
    from lm_eval.api import task  # noqa: PLC0415

    with ExitStack() as stack:
        stack.enter_context(_silent())
        stack.enter_context(replaced(json, "loads", _loads))
        stack.enter_context(replaced(task, "tqdm", lambda rows, **_: rows))
        if load_dataset is not None:
            stack.enter_context(replaced(datasets, "load_dataset", load_dataset))
            # What a task loads besides its data set is then refused at once.
            stack.enter_context(replaced(constants, "HF_HUB_OFFLINE", True))
        try:
            import nltk  # noqa: PLC0415
        except ImportError:
            # Without the package, the import in the task's own code has the message.
            pass
        else:
            stack.enter_context(replaced(nltk, "download", _no_download))
        yield


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed the generators that tasks draw from, and restore them after the body.

    The metrics of an item then do not depend on the items before it. langdetect has a seed of its
    own, which is part of no generator.
    """
    import numpy as np  # noqa: PLC0415

    state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    _seed_langdetect()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


@contextmanager
def _silent() -> Iterator[None]:
    """Let nothing but our own packages write to the log or to standard output in the body."""

    def is_ours(record: logging.LogRecord) -> bool:
        return record.name.partition(".")[0] in _PACKAGES

    handlers = list(filter(None, (*logging.getLogger().handlers, logging.lastResort)))
    for handler in handlers:
        handler.addFilter(is_ours)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_ours)


def _seed_langdetect() -> None:
    try:
        from langdetect import DetectorFactory  # noqa: PLC0415
    except ImportError:
        return
    DetectorFactory.seed = 0


def _loads(text: Any, *rest: Any, **options: Any) -> Any:
    """Take the place of `json.loads`."""
    try:
        return _JSON_LOADS(text, *rest, **options)
    except RecursionError as error:
        raise json.JSONDecodeError("the nesting is too deep", str(text), 0) from error


def _no_download(name: str = "", *_: Any, **__: Any) -> None:
    raise BadInputError(
        f"the task needs NLTK's data {name}, which is in no folder that NLTK searches: put it "
        f"below {nltk_folder()} in the worker's image, or set NLTK_DATA to its folder"
    )


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute of a module another value in the body."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)

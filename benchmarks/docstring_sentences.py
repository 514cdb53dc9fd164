"""English sentences for benchmarks: real, available offline, and as long as instructions.

A benchmark must not download a corpus. Every checkout has the docstrings of Python's standard
library and of the locked packages. This module takes their sentences of 4 to 60 words. Many have
the form of an instruction ("Return the number of …"), with a technical vocabulary and few names.
One text in ten is a near repetition of an earlier text with one to three changed words, so a
tenth of a set consists of texts that deduplication should drop.
"""

from __future__ import annotations

import ast
import random
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

DESCRIPTION = "docstring sentences of the installed packages, a tenth of them near repetitions"
_SENTENCE = re.compile(r"[A-Z][a-z]+ [^\n]*\.")
_MARKUP = re.compile(r">>>|--|::|==|\|")


def sentences(count: int) -> list[str]:
    """Return `count` different sentences in a random order that is the same on each call."""
    found: dict[str, None] = {}
    for path in _sources():
        found.update(dict.fromkeys(_sentences_of(path)))
        if len(found) >= 1.1 * count:
            break
    if len(found) < count:
        raise SystemExit(
            f"the installed packages contain {len(found)} sentences, {count} are needed: run "
            "`make bench`, which installs all packages"
        )
    ordered = list(found)
    random.Random(0).shuffle(ordered)
    return ordered[:count]


def with_near_repetitions(originals: list[str], count: int) -> list[str]:
    """Return `count` texts, a tenth of them near repetitions of earlier ones."""
    rng = random.Random(1)
    vocabulary = [word for sentence in originals[:10_000] for word in sentence.split()]
    unused = iter(originals)
    texts: list[str] = []
    while len(texts) < count:
        if texts and rng.random() < 0.1:
            texts.append(_varied(rng.choice(texts), vocabulary, rng))
        else:
            texts.append(next(unused))
    return texts


def _varied(text: str, vocabulary: list[str], rng: random.Random) -> str:
    changed = text.split()
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(changed))
        words = [rng.choice(vocabulary)]
        # Replace a word, insert a word, or remove a word.
        removed, put = rng.choice(((1, words), (0, words), (1, [])))
        if len(changed) - removed >= 4:
            changed[place : place + removed] = put
    return " ".join(changed)


def _sources() -> Iterator[Path]:
    library, packages = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    yield from (path for path in sorted(library.rglob("*.py")) if packages not in path.parents)
    yield from sorted(packages.rglob("*.py"))


def _sentences_of(path: Path) -> Iterator[str]:
    with warnings.catch_warnings(action="ignore"):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            return  # some packages contain invalid files as test data
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                for sentence in re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())):
                    if _is_prose(sentence):
                        yield sentence


def _is_prose(text: str) -> bool:
    return bool(
        4 <= len(text.split()) <= 60 and _SENTENCE.fullmatch(text) and not _MARKUP.search(text)
    )

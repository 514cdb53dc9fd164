"""English sentences to measure with: real ones, always there, and of instructions' length.

No corpus may be fetched for a benchmark. What every checkout has is the documentation
inside the packages of its lock: the sentences of 4 to 60 words in the docstrings of
Python's library and of what is installed beside it. Many are instructions in form
("Return the number of …"), with a technical vocabulary and few names. To each nine of
them comes one near repetition of an earlier text, with one to three words changed, so
that a tenth of a set is what deduplication is there for.
"""

from __future__ import annotations

import ast
import random
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

WHAT_THEY_ARE = "sentences from the docstrings of the installed packages, a tenth varied anew"
_SENTENCE = re.compile(r"[A-Z][a-z]+ [^\n]*\.")
_MARKUP = re.compile(r">>>|--|::|==|\|")


def sentences(count: int) -> list[str]:
    """Return so many different sentences, in an order that is random and always the same."""
    found: dict[str, None] = {}
    for path in _sources():
        found.update(dict.fromkeys(_sentences_of(path)))
        if len(found) >= 1.1 * count:
            break
    if len(found) < count:
        raise SystemExit(
            f"only {len(found)} sentences are installed here, of {count}: `make bench`"
        )
    ordered = list(found)
    random.Random(0).shuffle(ordered)
    return ordered[:count]


def with_near_repetitions(originals: list[str], count: int) -> list[str]:
    """Return so many texts, a tenth of them near repetitions of earlier ones."""
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
        # Another word, one more, or one less.
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
            return  # some packages ship files that are wrong on purpose
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

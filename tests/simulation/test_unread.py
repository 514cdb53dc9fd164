"""The parts of functions that get no mutants, because no invariant reads them."""

from __future__ import annotations

import ast

import pytest

from .defects.mutants import _changes

CASES = {
    "a log": (
        'def f(a):\n    log_event(_LOG, INFO, "x", n=a > 1)\n    return a > 2',
        ["a > 2 becomes GtE", "the constant 2 is changed"],
    ),
    "a condition of a log": (
        "def f(a):\n    if a > 1:\n        _LOG.warning('x')\n    g(a)",
        ["g(a) is removed"],
    ),
    "a condition of a log and of an act": (
        "def f(a):\n    if a:\n        _LOG.warning('x')\n        g(a)",
        ["the condition a is negated", "g(a) is removed"],
    ),
    "a function that writes logs": (
        "def f(self, a):\n    self._log_end(a > 1)\n    _log_all(1)\n    g(a)",
        ["g(a) is removed"],
    ),
    "a metric": (
        "def f(self, a):\n    self._metrics.passes.inc(1)\n    self.g(a)",
        ["self.g(a) is removed"],
    ),
    "a message": (
        "def f(a):\n    message = 'x' if a else 'y'\n    return State(message=f'{a + 1} x' or a)",
        [],
    ),
    "a sentence": ("def f(a) -> str:\n    return 'one word' if a > 1 else str(a)", []),
    "a name": (
        "def f(a) -> str:\n    return f'{a}-x' if a else 'y'",
        ["the condition a is negated"],
    ),
    "how much of a text or a digest is kept": (
        "def f(a):\n    return f'{a}'[:9], a.hexdigest()[:16], a[:2]",
        ["the constant 2 is changed"],
    ),
    "how many decimals a figure has": (
        "def f(a):\n    return round(a + 1, 2)",
        ["the constant 1 is changed"],
    ),
    "only logs": (
        "def f(a, b):\n    new = {x for x in b if x > 1}\n    for x in new:\n        log_event(x)",
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_only_what_an_invariant_can_read_is_changed(name: str) -> None:
    source, expected = CASES[name]
    assert sorted(one.text for one in _changes(ast.parse(source))) == sorted(expected)

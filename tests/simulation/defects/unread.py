"""The parts of a function that no invariant can read: logs, metrics, traces and texts for people.

A mutant of such a part changes no decision, so a search for it would say nothing about the
invariants. What counts is how the source is built, and not the name of a function:

- a call of a log, a metric or a trace, with its arguments;
- an f-string, and the value of something that is called `message`;
- how much of a text or of a digest is kept, and how many decimals of a figure;
- the condition of a statement that contains only such parts;
- a function that returns a sentence, or that does nothing else than these calls.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

SINKS = {"log_event", "_LOG", "_log", "_metrics", "metrics", "_traces", "_tracer"}
"""The names of what writes logs, metrics and traces."""
LOGS = ("_log_", "log_")
"""How the names of functions begin that only write logs."""
TEXTS = {"message", "messages", "text", "why"}
"""The names of arguments and variables that have a text for people."""
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def unread(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes of a function's tree that no invariant can read."""
    (function,) = tree.body
    if not isinstance(function, FunctionNode):
        return set()
    found: set[ast.AST] = set()
    for node in ast.walk(function):
        if _is_sink(node) or isinstance(node, ast.JoinedStr):
            found.update(ast.walk(node))
        elif (value := _text_value(node)) is not None:
            found.update(ast.walk(value))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "round":
            found.update(node.args[1:])
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and _is_cut(node, found):
            found.update(ast.walk(node.slice))
    for node in _statements(function):
        # The innermost statements come first.
        if isinstance(node, ast.If | ast.For) and _is_idle([*node.body, *node.orelse], found):
            found.update(ast.walk(node))
    if _returns_sentence(function) or _is_idle(function.body, found):
        found.update(ast.walk(function))
    return found


def _is_sink(node: ast.AST) -> bool:
    """Return whether a node is a call of a log, a metric or a trace."""
    if not isinstance(node, ast.Call):
        return False
    names = {one.id for one in ast.walk(node.func) if isinstance(one, ast.Name)}
    names |= {one.attr for one in ast.walk(node.func) if isinstance(one, ast.Attribute)}
    return not names.isdisjoint(SINKS) or any(name.startswith(LOGS) for name in names)


def _text_value(node: ast.AST) -> ast.expr | None:
    """Return the value of an argument or a variable that has a text."""
    if isinstance(node, ast.keyword) and node.arg in TEXTS:
        return node.value
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.value if node.targets[0].id in TEXTS else None
    return None


def _is_cut(node: ast.Subscript, found: set[ast.AST]) -> bool:
    """Return whether a node is the begin or the end of a text or of a digest."""
    if not isinstance(node.slice, ast.Slice):
        return False
    value = node.value
    is_digest = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)
    is_digest = is_digest and value.func.attr == "hexdigest"  # type: ignore[attr-defined]
    return value in found or is_digest


def _statements(function: FunctionNode) -> Iterator[ast.stmt]:
    """Yield the statements of a function, the innermost first."""
    for node in ast.iter_child_nodes(function):
        yield from _inner(node)


def _inner(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        yield from _inner(child)
    if isinstance(node, ast.stmt):
        yield node


def _is_idle(statements: list[ast.stmt], found: set[ast.AST]) -> bool:
    """Return whether statements only write what no invariant can read, or set local names."""
    writes = [one for one in statements if not _is_docstring(one)]
    return any(_is_unread(one, found) for one in writes) and all(
        _is_unread(one, found) or _is_local(one) for one in writes
    )


def _is_unread(statement: ast.stmt, found: set[ast.AST]) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else statement
    return value in found


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_local(statement: ast.stmt) -> bool:
    """Return whether a statement sets a local name without a call that can have an effect."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return bool(targets) and all(isinstance(one, ast.Name | ast.Tuple) for one in targets)


def _returns_sentence(function: FunctionNode) -> bool:
    """Return whether a function returns a text with several words."""
    if function.returns is None or "str" not in ast.unparse(function.returns).split(" | "):
        return False
    returned = [
        one.value for one in ast.walk(function) if isinstance(one, ast.Return) and one.value
    ]
    return any(_has_words(value) for value in returned)


def _has_words(value: ast.expr) -> bool:
    texts = (one.value for one in ast.walk(value) if isinstance(one, ast.Constant))
    return any(isinstance(text, str) and " " in text.strip() for text in texts)

"""The statements that a program's source has, so that one that nobody comes to is missed.

Read, not run: calls of the functions of `simclock.predicates` by a name that the module has
imported them by, with a literal message.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
from typing import TYPE_CHECKING, Any

from simclock.predicates import Predicate

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = "simclock.predicates"
# Those that are to be come to, and where their message is. `never` may well be where nobody comes.
EXPECTED = {"always": 1, "sometimes": 1, "reachable": 0}


def statements_of(function: Any) -> list[Predicate]:
    """Return the statements in the source of *function*, and of what is defined in it."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return []
    found = statements_in(code.co_filename)
    last = max(_lines(code))
    return [each for each in found if code.co_firstlineno <= each.line <= last]


def _lines(code: Any) -> Iterator[int]:
    """Yield the lines of *code*, and of the code of what is defined in it."""
    yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from _lines(constant)


def statements_in(file: str) -> list[Predicate]:
    """Return the statements in a source file, in their order; none if it cannot be read."""
    text = "".join(linecache.getlines(file))
    return list(_parsed(file, text))


@functools.lru_cache(maxsize=64)
def _parsed(file: str, text: str) -> tuple[Predicate, ...]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return ()
    names = dict(_imported(tree))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            kind = names.get(ast.unparse(node.func), "")
            message = _message(node, kind)
            if message:
                found.append(Predicate(kind, message, file, node.lineno))
    return tuple(sorted(found, key=lambda each: each.line))


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what each function is called in a module, and which it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [(each.asname or each.name) for each in node.names if each.name == HOME]
        elif isinstance(node, ast.ImportFrom) and node.module == "simclock":
            modules = [each.asname or each.name for each in node.names if each.name == "predicates"]
        else:
            modules = []
        for module in modules:
            yield from ((f"{module}.{kind}", kind) for kind in EXPECTED)
        if isinstance(node, ast.ImportFrom) and node.module == HOME:
            for each in node.names:
                for kind in EXPECTED if each.name == "*" else {each.name} & EXPECTED.keys():
                    yield each.asname or kind, kind


def _message(call: ast.Call, kind: str) -> str:
    """Return the message of a call, if that is a literal."""
    if kind not in EXPECTED:
        return ""
    given = [each.value for each in call.keywords if each.arg == "message"]
    given += call.args[EXPECTED[kind] :][:1]
    value = getattr(given[0], "value", None) if given else None
    return value if isinstance(value, str) else ""

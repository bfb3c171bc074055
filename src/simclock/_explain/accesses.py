"""What a line of Python reads and writes that threads may share.

Read from its source, and looked up in its frame without running any code of the program: a
property or a ``__getattr__`` is not called, and what only these could tell is not known.
"""

from __future__ import annotations

import ast
import collections
import functools
import inspect
import linecache
import warnings
from types import MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# Whose contents are looked at, and which of their methods change nothing.
_CONTAINERS = (list, dict, set, collections.deque, bytearray)
_READING = frozenset(
    [
        "copy",
        "count",
        "difference",
        "get",
        "index",
        "intersection",
        "isdisjoint",
        "issubset",
        "issuperset",
        "items",
        "keys",
        "symmetric_difference",
        "union",
        "values",
    ]
)
# Built-in functions that read what a container has.
_READERS = frozenset(
    [
        "all",
        "any",
        "bool",
        "dict",
        "enumerate",
        "filter",
        "frozenset",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "repr",
        "reversed",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "zip",
    ]
)
# Where the types are of what threads and tasks tell each other with.
_TELLING = frozenset(
    ["_queue", "anyio", "asyncio", "concurrent", "multiprocessing", "queue", "threading", "trio"]
)
# Those of a dictionary that are about one key, their first argument.
_OF_ONE_KEY = frozenset(["get", "pop", "setdefault"])
# When an access is done, of all that its line does: what is called first may come to no checkpoint
# before it, what is called last to none after it. Of one amid others that is not known.
FIRST, AMID, LAST = "first", "amid", "last"
# What may come to a checkpoint.
_RUNNING = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom)
_REPEATED = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_UNKNOWN = object()


class Access(NamedTuple):
    """One look at something, or one change of it.

    Attributes:
        owner: The object whose part it is, or what stands for it; compared by identity.
        part: The name of an attribute or a variable, a key in a container; None: all of it.
        writes: Whether it is a change.
        said: What it is, in the words of the program.
        calls: Whether it is a call of what threads tell each other with: a lock, a queue.
        done: When the line does it, of a change: ``first``, ``amid`` or ``last``.
    """

    owner: Any
    part: Any
    writes: bool
    said: str
    calls: bool = False
    done: str = LAST


def accesses(frame: FrameType) -> Iterator[Access]:
    """Yield what the line that *frame* has come to reads and writes."""
    code = frame.f_code
    for part in _lines(code.co_filename).get(frame.f_lineno, ()):
        if part.in_lambda is not (code.co_name == "<lambda>"):
            continue
        found = _access(frame, part)
        if found is not None:
            yield found


# ------------------------------------------------------------------ what the source says


class _Part(NamedTuple):
    """An expression of a line.

    Attributes:
        node: The expression.
        writes: Whether it is changed.
        in_lambda: Whether it is in a function that is an expression itself.
        call: The method of it that is called, where that matters: then it is what it contains.
        said: Its text.
        key: What that method is called with first.
        done: When it is called.
    """

    node: ast.expr
    writes: bool
    in_lambda: bool
    call: str | None
    said: str
    key: ast.expr | None = None
    done: str = LAST


@functools.lru_cache(maxsize=1000)
def _lines(filename: str) -> dict[int, list[_Part]]:
    """Return what each line of a file looks at and changes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they were told when the program was compiled
            tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return {}
    found: dict[int, list[_Part]] = {}
    _Collector(found).visit(tree)
    return found


class _Collector(ast.NodeVisitor):
    """Collects expressions by the lines that they begin in."""

    def __init__(self, found: dict[int, list[_Part]]) -> None:
        self._found = found
        self._in_lambda = False
        # What the statement runs, in its order.
        self._running: list[ast.AST] = []

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            self._running = list(_running(node))
        super().visit(node)

    def _add(self, node: ast.expr, *, writes: bool) -> None:
        self._add_part(_Part(node, writes, self._in_lambda, None, ast.unparse(node)))

    def _add_part(self, part: _Part) -> None:
        self._found.setdefault(part.node.lineno, []).append(part)

    def _add_content(self, node: ast.expr) -> None:
        """Add what *node* contains, if it turns out to be a container."""
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            self._add_part(_Part(node, False, self._in_lambda, "", ast.unparse(node)))

    def _add_called(self, call: ast.Call, function: ast.Attribute) -> None:
        """Add what the owner of a method contains, if it turns out to be a container."""
        node, name = function.value, function.attr
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            key = call.args[0] if call.args and name in _OF_ONE_KEY else None
            writes, said = name not in _READING, ast.unparse(node)
            self._add_part(_Part(node, writes, self._in_lambda, name, said, key, self._done(call)))

    def _done(self, call: ast.Call) -> str:
        if not any(each is call for each in self._running):
            return AMID  # it is in a loop, or in another function
        if self._running[-1] is call:
            return LAST
        return FIRST if self._running[0] is call else AMID

    def visit_Name(self, node: ast.Name) -> None:
        self._add(node, writes=not isinstance(node.ctx, ast.Load))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._add(node, writes=not isinstance(node.ctx, ast.Load))
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._add(node, writes=not isinstance(node.ctx, ast.Load))
        self.visit(node.value)
        self.visit(node.slice)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        # It is read before it is written.
        target: Any = node.target
        self._add(target, writes=False)
        self.visit(node.value)
        self.visit(target)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute):
            self._add_called(node, function)
            self.visit(function.value)
        elif isinstance(function, ast.Name):
            for argument in node.args if function.id in _READERS else ():
                self._add_content(argument)
        else:
            self.visit(function)
        for each in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.visit(each)

    def visit_For(self, node: Any) -> None:
        self._add_content(node.iter)
        self.generic_visit(node)

    visit_AsyncFor = visit_comprehension = visit_For  # noqa: N815 - as `ast` calls them

    def visit_Compare(self, node: ast.Compare) -> None:
        for each in (node.left, *node.comparators):
            self._add_content(each)
        self.generic_visit(node)

    def visit_If(self, node: Any) -> None:
        test = node.test
        self._add_content(test.operand if isinstance(test, ast.UnaryOp) else test)
        self.generic_visit(node)

    visit_While = visit_Assert = visit_IfExp = visit_If  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        before, self._in_lambda = self._in_lambda, True
        self.visit(node.body)
        self._in_lambda = before


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a statement runs itself that may come to a checkpoint, in its order."""
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Assign):
        children = [node.value, *node.targets]
    for child in children:
        if isinstance(child, _REPEATED):
            yield child
        elif not isinstance(child, (ast.stmt, ast.Lambda, ast.ExceptHandler)):
            yield from _running(child)
    if isinstance(node, (*_RUNNING, ast.With, ast.AsyncWith, ast.For, ast.AsyncFor)):
        yield node


# ------------------------------------------------------------------ what the frame has


def _access(frame: FrameType, part: _Part) -> Access | None:
    node, writes = part.node, part.writes
    if part.call is not None:
        return _of_content(frame, part)
    if isinstance(node, ast.Name):
        return _of_name(frame, node.id, writes=writes)
    if isinstance(node, ast.Subscript):
        owner, key = _value(frame, node.value), _value(frame, node.slice)
        if not issubclass(type(owner), _CONTAINERS):
            return None
        return Access(owner, _known(key), writes, part.said)
    assert isinstance(node, ast.Attribute)
    return _of_attribute(frame, node, writes=writes)


def _known(key: Any) -> Any:
    return key if type(key) in (int, str, bytes) else None


def _of_content(frame: FrameType, part: _Part) -> Access | None:
    value, said = _value(frame, part.node), part.said
    if issubclass(type(value), _CONTAINERS):
        key = None
        # An index of a list is another item's after the next change.
        if part.key is not None and issubclass(type(value), dict):
            key = _known(_value(frame, part.key))
        return Access(value, key, part.writes, said, done=part.done)
    if part.call and type(value).__module__.partition(".")[0] in _TELLING:
        return Access(value, None, True, f"{said}.{part.call}()", calls=True)
    return None


def _of_attribute(frame: FrameType, expression: ast.Attribute, *, writes: bool) -> Access | None:
    owner = _value(frame, expression.value)
    if owner is _UNKNOWN or (not writes and _is_code(_member(owner, expression.attr))):
        return None
    is_named = issubclass(type(owner), (ModuleType, type))
    name = owner.__name__ if is_named else type(owner).__name__
    return Access(owner, expression.attr, writes, f"{name}.{expression.attr}")


def _of_name(frame: FrameType, name: str, *, writes: bool) -> Access | None:
    """Return the access to a variable, unless it is its function's alone."""
    code = frame.f_code
    if name in (*code.co_freevars, *code.co_cellvars):
        # Two functions that share it are of one file.
        value = frame.f_locals.get(name)
        return None if _is_code(value) else Access(code.co_filename, name, writes, name)
    if name in frame.f_locals or name not in code.co_names or _is_code(frame.f_globals.get(name)):
        return None
    return Access(frame.f_globals, name, writes, name) if name in frame.f_globals else None


def _value(frame: FrameType, expression: ast.expr) -> Any:
    """Return the value of *expression*, or `_UNKNOWN` where that would take running code."""
    if isinstance(expression, ast.Constant):
        return expression.value
    if isinstance(expression, ast.Name):
        return frame.f_locals.get(expression.id, frame.f_globals.get(expression.id, _UNKNOWN))
    if isinstance(expression, ast.Attribute):
        return _member(_value(frame, expression.value), expression.attr)
    if isinstance(expression, ast.Subscript):
        return _item(_value(frame, expression.value), _value(frame, expression.slice))
    if isinstance(expression, ast.BinOp):
        values = _value(frame, expression.left), _value(frame, expression.right)
        return _sum(expression.op, *values)
    return _UNKNOWN


def _member(owner: Any, name: str) -> Any:
    try:
        # The usual case, ten times as fast.
        mine = object.__getattribute__(owner, "__dict__")
        if type(mine) is dict and name in mine:
            return mine[name]
    except AttributeError:
        pass
    try:
        found = inspect.getattr_static(owner, name, _UNKNOWN)
    # In the program's own line: nothing may come out.
    except Exception:  # noqa: BLE001  # pragma: no cover - it runs no code of the program
        return _UNKNOWN
    if type(found) is MemberDescriptorType:
        try:
            return found.__get__(owner)
        except (AttributeError, TypeError):
            return _UNKNOWN
    return found


def _item(owner: Any, key: Any) -> Any:
    if type(owner) not in (list, tuple, dict) or type(key) not in (int, str, bytes):
        return _UNKNOWN
    try:
        return owner[key]
    except (LookupError, TypeError):
        return _UNKNOWN


def _sum(operator: ast.operator, left: Any, right: Any) -> Any:
    """Return a sum, a difference or a remainder of whole numbers: indices are such."""
    if type(left) is not int or type(right) is not int:
        return _UNKNOWN
    if isinstance(operator, ast.Mod):
        return left % right if right else _UNKNOWN
    if isinstance(operator, (ast.Add, ast.Sub)):
        return left + right if isinstance(operator, ast.Add) else left - right
    return _UNKNOWN


def _is_code(value: Any) -> bool:
    """Return whether *value* is what no thread changes: a function, class, module, descriptor."""
    return (
        value is _UNKNOWN
        or callable(value)
        or issubclass(type(value), (ModuleType, property, classmethod, staticmethod))
    )

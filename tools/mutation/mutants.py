"""Find what can be changed in a module, with cosmic-ray's operators and one of our own."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.plugins import get_operator

from tools.mutation.operators import RemoveStatement

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARISONS = (
    "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is"
)
BINARIES = (
    "Add_Sub Sub_Add Mul_FloorDiv Div_Mul FloorDiv_Mul Mod_FloorDiv Pow_Mul"
    " LShift_RShift RShift_LShift BitOr_BitAnd BitAnd_BitOr BitXor_BitAnd"
)
# One opposite for each, and the neighbour for comparisons: the other of cosmic-ray's 213 mostly die
# by the same test as these.
NAMES = [
    *(f"ReplaceComparisonOperator_{name}" for name in COMPARISONS.split()),
    *(f"ReplaceBinaryOperator_{name}" for name in BINARIES.split()),
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Invert",
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ExceptionReplacer",
    "NumberReplacer",
    "ZeroIterationForLoop",
]


@cache
def operators() -> dict[str, Any]:
    """Return the operators by name."""
    return {name: get_operator(f"core/{name}")() for name in NAMES} | {
        "RemoveStatement": RemoveStatement()
    }


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    Attributes:
        path: The module's, below the sources.
        function: Where it is, as in ``__qualname__``.
        lines: The first and last of its statement; of a compound one those before its body.
    """

    path: str
    operator: str
    occurrence: int
    function: str
    lines: tuple[int, int]

    def apply(self, tree: Any) -> str:
        """Return the source of *tree*, which is `get_ast` of it, with the change: *tree* has it."""
        visitor = MutationVisitor(self.occurrence, operators()[self.operator])
        changed: str = visitor.walk(tree).get_code()
        assert visitor.mutation_applied, self
        compile(changed, self.path, "exec")
        return changed

    def describe(self, source: str) -> tuple[str, str]:
        """Return the lines that it changes, as they are and as they become."""
        before, after = source.splitlines(), self.apply(get_ast(source)).splitlines()
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            if tag != "equal":
                return _one_line(before[a:b]), _one_line(after[c:d])
        raise AssertionError(self)


@lru_cache(maxsize=1)
def tree_of(source: str) -> Any:
    """Return what is parsed once for all mutants of a module; only children change it."""
    return get_ast(source)


def _one_line(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)


def find_mutants(path: str, source: str) -> list[Mutant]:
    """Return every mutant of the module at *path*, in the order of its lines."""
    nodes = list(ast_nodes(get_ast(source)))
    places = Places(ast.parse(source))
    found = []
    for name, operator in operators().items():
        positions = [
            (node, start, end) for node in nodes for start, end in operator.mutation_positions(node)
        ]
        for occurrence, (node, start, _) in enumerate(positions):
            if name == "AddNot" and _has_opposite(node):
                continue
            if place := places.find(*start, removal=name == "RemoveStatement"):
                found.append(Mutant(path, name, occurrence, *place))
    return sorted(found, key=lambda mutant: (mutant.lines, mutant.operator, mutant.occurrence))


def _has_opposite(node: Any) -> bool:
    """Return whether the condition is one that another operator turns into its opposite."""
    condition = node.children[2] if node.type == "test" else node.children[1]
    if condition.type == "comparison":
        return len(condition.children) == 3 and "in" not in condition.children[1].get_code().split()
    return bool(condition.type == "not_test")


class Places:
    """What the parts of a module are: which statement, which function, or nothing to change."""

    def __init__(self, tree: ast.Module) -> None:
        self._statements: dict[int, tuple[str, tuple[int, int]]] = {}
        self._left_out: list[tuple[tuple[int, int], tuple[int, int]]] = []
        self._walk(tree, "")

    def find(self, line: int, column: int, *, removal: bool) -> tuple[str, tuple[int, int]] | None:
        """Return the function and the lines of a statement; nothing if it is not to be changed."""
        place = self._statements.get(line)
        if place is None or any(a <= (line, column) < b for a, b in self._left_out):
            return None
        return None if removal and place[0].endswith("__init__") else place

    def _walk(self, node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = function
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                inner = f"{function}.{child.name}".lstrip(".")
            if isinstance(child, ast.stmt):
                body = getattr(child, "body", None)
                first = min(
                    [child.lineno, *(d.lineno for d in getattr(child, "decorator_list", ()))]
                )
                last = max(child.lineno, body[0].lineno - 1) if body else child.end_lineno
                assert last is not None
                for line in range(first, last + 1):
                    self._statements[line] = inner, (first, last)
            for left_out in _left_out(child):
                assert left_out.end_lineno is not None
                assert left_out.end_col_offset is not None
                self._left_out.append(
                    (
                        (left_out.lineno, left_out.col_offset),
                        (left_out.end_lineno, left_out.end_col_offset),
                    )
                )
            self._walk(child, inner)


def _left_out(node: ast.AST) -> Iterator[Any]:
    """Yield the parts of *node* that only say types, or what decorates."""
    yield from getattr(node, "decorator_list", ())
    for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
        if part is not None:
            yield part
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        yield node
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"cast", "TypeVar"}:
        yield node.args[0]

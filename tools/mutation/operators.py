"""One change that cosmic-ray does not make: a statement is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Keyword

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = {"power", "atom_expr"}
OTHERS = {"raise_stmt", "del_stmt"}


class RemoveStatement(Operator):
    """Put ``pass`` in the place of a statement that is there for its effect.

    That is a call, ``del``, ``raise``, a bare ``return``, and an assignment to an attribute or an
    item, or with an operator. Without an assignment to a name, what follows only fails to find it.
    """

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the place of *node*, if it is such a statement."""
        if node.type == "simple_stmt" and _has_effect(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - there is one place
        """Return *node* without the statement."""
        first = node.children[0]
        prefix = first.get_first_leaf().prefix
        node.children[0] = Keyword("pass", first.start_pos, prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return what it does, for cosmic-ray."""
        return (Example("f(x)\n", "pass\n"), Example("del x\n", "pass\n"))


def _has_effect(node: Any) -> bool:
    if node.type == "expr_stmt":
        target, operator = node.children[:2]
        return operator.type != "annassign" and (
            target.type in CALLS or operator.get_code().strip() != "="
        )
    if node.type in CALLS:
        return node.children[-1].get_first_leaf().value == "("
    return node.type in OTHERS or (node.type == "keyword" and node.value == "return")

"""What came out, as a page of the documentation."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

from tools.mutation.results import read_explained
from tools.mutation.targets import LEAST_S, PATIENCE, ROOT, ROUNDS, TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.mutation.results import Module, Results, Survivor

PAGE = ROOT / "docs" / "reference" / "mutation.md"
LONGEST = 90  # characters of a change; the middle of longer ones is what differs
NOT_YET = "not explained yet"

HEAD = f"""\
# Mutation testing

Made by `./dev mutation`, whose tool is in `tools/mutation`. It changes the kernel, the strategies
and what the systems share in one small way at a time. Such a *mutant* is *killed* by a test that
fails. One that survives is equivalent, or cannot be seen, or shows what no test demands. All that
survive are listed below, each with its reason.

`./dev mutation` tries all, `./dev mutation _core/timers.py` those of one module,
`./dev mutation --sample 100` so many of each module, `./dev mutation --survivors` again those that
have survived.

## How

- [cosmic-ray](https://cosmic-ray.readthedocs.io) makes the mutants: a comparison becomes its
  neighbour or its opposite, an arithmetic or bitwise operator another one, `and` becomes `or`,
  `True` becomes `False`, `break` becomes `continue`, and back; a condition is negated; a `not` or a
  sign is left out; a number is one more or one less; an exception is not caught; a loop has nothing
  to go through. One kind is our own: a statement is left out that is there for its effect (a call,
  `del`, `raise`, a bare `return`, an assignment to an attribute or an item), but for those in
  `__init__`.
- Types are not changed (annotations, `if TYPE_CHECKING`, the first argument of `cast`), nor
  decorators, nor texts. Of two changes that come to the same, one is made.
- The tests are run once under coverage, to learn which of them run which line. A mutant meets those
  that run its statement: those that have killed others of its function come first, then those in
  the file of its module's name, then those of its folder, and of these the quickest of each file,
  then the next of each. What is run by the import alone, such as a constant, meets those of its
  folder, and those that run a line with its name, or else anything of its module.
- In the first round a function is changed in memory, in a fork of a process that has imported and
  collected all. What it does not kill, and what is changed by an import, runs in new processes, on
  a changed copy of the sources: only who gets through that survives. The first round is
  {ROUNDS[0][0]} tests or {ROUNDS[0][1]:.0f} seconds of them, the second {ROUNDS[1][0]} or
  {ROUNDS[1][1]:.0f} seconds, by what they took under coverage.
  So a mutant may survive here that the whole suite would kill; where that was seen, it is said.
  A failure counts as a kill whatever its cause: the tests are not run in that way on the unchanged
  code first.
- A child that takes more than {LEAST_S:.0f} seconds and {PATIENCE:.0f} times as long as its tests
  took is ended: the mutant *hangs*, as the suite would notice too. On a busy machine a few may only
  be slow.
- Not run are tests marked `real` and those whose names have `redis` in them, since a server would
  be left behind by those that are ended. *Not covered* is what none of these tests runs in its own
  process: child processes are not seen.
"""


SAMPLE = """\
Where fewer were tried than there are, they are a sample, drawn with a seed. What a test was written
for since was tried again.
"""


def write(results: Results) -> list[str]:
    """Write the page; return the surviving mutants that are not explained."""
    PAGE.write_text(markdown(results, read_explained()), encoding="utf-8")
    return unexplained(results)


def unexplained(results: Results) -> list[str]:
    """Return the surviving mutants without a reason, by their keys."""
    explained = read_explained()
    return [one.key for one in results.survivors() if one.key not in explained]


def markdown(results: Results, explained: dict[str, str]) -> str:
    """Return the page."""
    parts = [HEAD, "## What came out\n", f"{results.versions}.\n", SAMPLE]
    for target in TARGETS:
        tests = ", ".join(f"`{path}`" for path in target.tests)
        parts.append(fill(f"With the tests in {tests}:", 100, break_on_hyphens=False) + "\n")
        parts += [*_table(results.modules.get(target.name, [])), ""]
    parts.append("## Surviving mutants\n")
    for modules in results.modules.values():
        for module in modules:
            if module.survivors:
                parts += [f"### `{module.path}`\n", *_listing(module, explained)]
    return "\n".join(parts).rstrip() + "\n"


def _table(modules: list[Module]) -> Iterator[str]:
    yield "| module | mutants | tried | killed | hang | survive | not covered |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    rows = [
        (
            one.found,
            one.tried,
            one.killed,
            one.hung,
            len(one.survivors),
            sum(one.uncovered.values()),
        )
        for one in modules
    ]
    for module, row in zip(modules, rows, strict=True):
        yield f"| `{module.path}` | {' | '.join(map(str, row))} |"
    if not modules:
        return
    yield f"| all | {' | '.join(str(sum(column)) for column in zip(*rows, strict=True))} |"
    for module in modules:
        if module.uncovered:
            names = ", ".join(
                f"`{name or 'the module'}` {n}" for name, n in module.uncovered.items()
            )
            yield f"\nNot covered in `{module.path}`: {names}."


def _listing(module: Module, explained: dict[str, str]) -> Iterator[str]:
    """Yield the module's survivors, those with the same reason together."""
    reasons: dict[str, list[Survivor]] = {}
    for one in module.survivors:
        reasons.setdefault(explained.get(one.key, NOT_YET), []).append(one)
    for why, survivors in reasons.items():
        yield fill(f"{why[0].upper()}{why[1:]}:", 100, break_on_hyphens=False) + "\n"
        for one in survivors:
            before, after = (_shown(text, one) for text in (one.before, one.after))
            yield f"- `{one.function or 'the module'}`: {before}\n  becomes {after}"
        yield ""


def _shown(text: str, one: Survivor) -> str:
    """Return what differs of *text*, with what stands around it."""
    same = next(
        (i for i, (a, b) in enumerate(zip(one.before, one.after, strict=False)) if a != b), 0
    )
    begin = max(0, min(same - LONGEST // 2, len(text) - LONGEST))
    cut = text[begin : begin + LONGEST]
    shown = f"{'…' if begin else ''}{cut}{'…' if begin + LONGEST < len(text) else ''}"
    return f"``{shown}``" if "`" in shown else f"`{shown}`"

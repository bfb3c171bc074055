"""The page of the documentation and the table of the README, from stored results."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from tools.comparison import facts
from tools.comparison.asked import GROUPS
from tools.comparison.tools import BY_NAME, TOOLS

if TYPE_CHECKING:
    from tools.comparison.wants import Group, Want

Results = dict[str, Any]

WIDTH = 118

HEAD = """\
# Beside others

Made by `./dev compare`, which runs the programs in `tools/comparison/probes` under each tool and writes this page,
the table in the README and the results it was made of, `tools/comparison/results.json`.
Measured on {where}.

## How it is measured

Each cell is the result of a process of its own, with a time limit. The programs are ordinary ones and know of no
tool; `tools/comparison/under` has, for each tool, the few lines that run them, as the tool's own documentation has
it, with the options that serve it best. A cell is *yes* if the program's answer is exactly the right one, and else
says what happened.

- **no** is a failure at something that the tool is for.
- *In italics*: the tool makes no claim to it. That it fails there is no reproach, and that it works is luck or a
  courtesy.
- *refused*: the tool says by an error of its own that its line is drawn there, which is better than a wrong answer.
- *inconclusive*: the tool ended the run by a limit of its own and said that it had seen nothing either way.
- *really waits*, *no end*, *hangs*: the process was killed after 12 s, a search after 60 s, and what asks for ever
  after 120 s, as some tools count a million steps first.
- –: there is no way to ask.

The tools are for different things, and some of the best of them for one thing only:

"""

TAIL = """\
## Others, not measured here

By what their own documentation says:

- [Go's `testing/synctest`](https://pkg.go.dev/testing/synctest), a part of the standard library, runs a test and the
  goroutines that it starts in a bubble, whose fake clock advances only when all of them are durably blocked. The
  network and other processes are to be left out. Nothing is said of choosing schedules.
- [Fray](https://github.com/cmu-pasta/fray), for the JVM, runs tests under schedules that it controls, by probabilistic
  concurrency testing or partial order sampling, finds failed assertions, exceptions and deadlocks, and replays the
  interleavings that it found.
"""

# The README's columns and lines: of each sort of tool some, and all sorts of wants.
SHORT_TOOLS = (
    "simclock",
    "freezegun",
    "time_machine",
    "looptime",
    "trio",
    "seedloop",
    "simloop",
    "frontrun",
    "interleave_test",
)
KINDS = ("threads", "coroutines", "trios")
SHORT = (
    ("a thread's `time.sleep(3600)` ends at once", ("threads.sleep.equals", "walls.asleep.equals")),
    ("so does `asyncio.sleep`, or trio's", ("coroutines.sleep.equals", "trios.sleep.equals")),
    ("threads and event loop on one clock", ("coroutines.thread.equals", "trios.thread.equals")),
    ("sets the date, for default arguments too", ("walls.argument.real",)),
    ("a deadlock is an error", tuple(f"{kind}.deadlock.ends_in_an_error" for kind in KINDS)),
    ("a busy wait is an error", tuple(f"{kind}.polling.ends_in_an_error" for kind in KINDS)),
    ("a loop that only computes is", ("threads.counting.ends_in_an_error",)),
    ("a race of threads is found", ("races.check_then_act.is_found",)),
    ("... in a pool that the program makes", ("races.pooled.is_found",)),
    ("what was found is shrunk", ("races.pooled.is_shrunk", "races.jobs.is_shrunk")),
    ("a suite that is there runs by an option", ("suites.asyncio.equals",)),
)
SHORT_FACTS = {
    "pure Python": 0,
    "installs on Windows": 1,
    "installs on CPython 3.14": 4,
    "small tests of asyncio a second": -1,
}

BEGIN = "<!-- ./dev compare writes from here -->"
END = "<!-- to here -->"


def cell(want: Want, tool: str, results: Results, *, is_short: bool = False) -> str:
    """Return a cell as it is shown; if it is to be short, without what happened instead."""
    words = str(results["cells"][want.name][tool])
    if is_short:
        words = words.partition(":")[0]
    return f"*{words}*" if tool in want.outside else words


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def filled(text: str) -> str:
    """Return a paragraph in lines of the documentation's width."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def group_text(group: Group, results: Results) -> str:
    """Return the part of the page about a group."""
    head = ["", *(BY_NAME[tool].label for tool in group.tools)]
    rows = [
        [want.title, *(cell(want, tool, results) for tool in group.tools)] for want in group.wants
    ]
    others = ", ".join(tool.label for tool in TOOLS if tool.name not in group.tools)
    unasked = filled(f"Not asked: {others}; {group.unasked}.")
    return f"## {group.title}\n\n{filled(group.words)}\n\n{table(head, rows)}\n{unasked}\n\n"


def facts_text(results: Results) -> str:
    """Return the part of the page about the packages."""
    rows = [[results["labels"][name], *cells] for name, cells in results["facts"].items()]
    return (
        "## What they run on, and how far they are\n\n"
        "By the metadata of the packages. *Installs* is that there is a wheel that fits; nothing was run there.\n\n"
        + table(["", *facts.TITLES], rows)
        + "\n"
    )


def page(results: Results) -> str:
    """Return the page."""
    purposes = "".join(
        f"- **{tool.label}** {results['versions'][tool.name]} {tool.purpose}.\n" for tool in TOOLS
    )
    groups = "".join(group_text(group, results) for group in GROUPS)
    head = HEAD.format(where=results["where"])
    return f"{head}{purposes}\n{groups}{facts_text(results)}{TAIL}"


def short(results: Results) -> str:
    """Return the README's part, markers included."""
    head = ["", *(results["labels"][tool] for tool in SHORT_TOOLS)]
    rows = [
        [title, *(_short_cell(tool, wants, results) for tool in SHORT_TOOLS)]
        for title, wants in SHORT
    ]
    rows += [
        [title, *(results["facts"][tool][place].partition(":")[0] for tool in SHORT_TOOLS)]
        for title, place in SHORT_FACTS.items()
    ]
    return f"{BEGIN}\n{table(head, rows)}{END}\n"


def _short_cell(tool: str, names: tuple[str, ...], results: Results) -> str:
    """Return yes or no: what the tool made of the first of some wants that it was asked."""
    wants = {want.name: want for group in GROUPS for want in group.wants if tool in group.tools}
    for name in names:
        if want := wants.get(name):
            return cell(want, tool, results, is_short=True)
    return "–"

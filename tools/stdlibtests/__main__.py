"""``python -m tools.stdlibtests [MODULE|TEST ...]``: run the tests, and say what failed.

Each module of ``test.test_asyncio`` is run in a process of its own, and each test in a simulation
of its own, on `SimEventLoop`. The exit status is 0 if only tests failed that are listed as not
applying, and all of those did; 1 if not; 2 if this Python came without its tests.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tools.stdlibtests import page
from tools.stdlibtests.judging import Verdict, judge
from tools.stdlibtests.listed import LISTED, Listed
from tools.stdlibtests.running import find_modules, run_module

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "asyncio-tests.md"


def say(text: str) -> None:
    """Print at once: a reader waits for minutes after some of these lines."""
    print(text, flush=True)


def run_all(
    wanted: dict[str, list[str]], world: str, listed: Sequence[Listed]
) -> dict[str, Verdict]:
    """Run the modules, one after the other, telling what came of each."""
    found = {}
    for module, tests in wanted.items():
        began = time.perf_counter()
        entries = [entry for entry in listed if entry.names_one_of(module, tests)]
        verdict = found[module] = judge(run_module(module, world, tests, entries), entries)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(verdict.counts.items()))
        say(f"{module:28} {time.perf_counter() - began:6.1f} s  {counts}")
        for failure in verdict.failures:
            say(f"  {failure.outcome}: {failure.test} ({failure.seconds:.1f} s)")
        for line in verdict.needless:
            say(f"  listed without need: {line}")
    return found


def group(names: list[str], modules: list[str]) -> dict[str, list[str]]:
    """Return which tests of which modules are wanted; no tests stands for all of a module's."""
    wanted: dict[str, list[str]] = {}
    for name in names or modules:
        module, _, test = name.partition(".")
        if module not in modules:
            raise SystemExit(f"asynciotests: no such module: {module}\nthere are: {modules}")
        wanted.setdefault(module, []).extend([name] if test else [])
    return wanted


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="./dev asynciotests", description=__doc__)
    parser.add_argument("name", nargs="*", help="modules or tests; all modules, if none is named")
    worlds = parser.add_mutually_exclusive_group()
    worlds.add_argument("--stock", action="store_true", help="on the stock loop, in simulations")
    worlds.add_argument("--real", action="store_true", help="on the stock loop, in real time")
    parser.add_argument("--why", action="store_true", help="show the traceback of each failure")
    parser.add_argument(
        "--page", action="store_true", help=f"write {PAGE.relative_to(ROOT)}, if all is well"
    )
    arguments = parser.parse_args()
    if arguments.page and (arguments.name or arguments.stock or arguments.real):
        parser.error("the page is about all tests on SimEventLoop: name nothing else with --page")
    modules = find_modules()
    if not modules:
        print(f"asynciotests: {sys.executable} came without test.test_asyncio", file=sys.stderr)
        return 2
    world = "stock" if arguments.stock else "real" if arguments.real else "simulated"
    began = time.perf_counter()
    # What is listed is about one of the three worlds only.
    listed = [entry for entry in LISTED if entry.here and world == "simulated"]
    verdicts = run_all(group(arguments.name, modules), world, listed)
    if arguments.why:
        for failure in (outcome for verdict in verdicts.values() for outcome in verdict.failures):
            say(f"\n==== {failure.outcome}: {failure.test}\n{failure.why}")
    total = sum((verdict.counts for verdict in verdicts.values()), Counter())
    say(f"{sum(total.values())} tests: {', '.join(f'{n} {name}' for name, n in total.items())}")
    if not all(verdict.good for verdict in verdicts.values()):
        return 1  # of which there is no page
    if arguments.page:
        PAGE.write_text(page.markdown(verdicts, time.perf_counter() - began, LISTED), "utf-8")
        say(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

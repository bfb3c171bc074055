"""Run random asyncio programs on the stock loop and on SimEventLoop; stop where they differ."""

from __future__ import annotations

import argparse
import collections
import faulthandler
import re
import sys
import time
from typing import TYPE_CHECKING

from tools.asyncprograms.comparing import check, is_pure
from tools.asyncprograms.drawing import draw, traits
from tools.asyncprograms.reducing import reduce

if TYPE_CHECKING:
    from tools.asyncprograms.program import Program

# Real seconds for one program. The watchdog of faulthandler is foreign to simclock on purpose.
HANGS = 120.0


def main() -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev asyncprograms", description=__doc__)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this program only, and show it")
    parser.add_argument("--keep-going", action="store_true", help="look for further differences")
    parser.add_argument("--no-reduce", action="store_true", help="show a program as it was drawn")
    options = parser.parse_args()
    if options.seed is not None:
        options.start, options.count = options.seed, 1
        print(draw(options.seed))
    # What crashes the process says at least where it was.
    faulthandler.enable()
    found = 0
    themes: collections.Counter[str] = collections.Counter()
    began = time.perf_counter()
    for seed in range(options.start, options.start + options.count):
        faulthandler.dump_traceback_later(HANGS, exit=True)
        program = draw(seed)
        themes["alone too" if is_pure(program) else " ".join(sorted(traits(program)))] += 1
        if wrong := check(program):
            found += 1
            print(f"seed {seed}:\n{program}\n{wrong}", file=sys.stderr)
            if not options.no_reduce:
                _show_reduced(program, wrong)
            if not options.keep_going:
                return 1
        if (seed + 1) % 500 == 0:
            print(f"{seed + 1}: {time.perf_counter() - began:.0f} s", flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(f"{options.count} programs, {found} differences; {dict(themes)}")
    return 1 if found else 0


def _show_reduced(program: Program, wrong: str) -> None:
    faulthandler.dump_traceback_later(HANGS * 5, exit=True)
    small = reduce(program, lambda smaller: _kind(check(smaller)) == _kind(wrong))
    print(f"reduced:\n{small}\n{check(small)}\n{small.source()}", file=sys.stderr)


def _kind(wrong: str) -> str:
    """Return what kind of difference it is, without where."""
    first, _, _ = wrong.partition("\n")
    return re.sub(r"\d+", "", first)


if __name__ == "__main__":
    sys.exit(main())

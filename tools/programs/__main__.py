"""Run many random programs twice each; stop at the first that hangs, leaks or differs."""

from __future__ import annotations

import argparse
import collections
import faulthandler
import sys

from tools.programs.checking import check
from tools.programs.program import Program

# Real seconds for one program. The watchdog of faulthandler is foreign to simclock on purpose.
HANGS = 120.0


def main() -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev programs", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    options = parser.parse_args()
    ends: collections.Counter[str] = collections.Counter()
    for number in range(options.first, options.first + options.count):
        faulthandler.dump_traceback_later(HANGS, exit=True)
        end, wrong = check(number)
        ends[end] += 1
        if wrong:
            print(f"program {number}:\n{Program(number)}\n{wrong}", file=sys.stderr)
            return 1
        if (number + 1) % 1000 == 0:
            print(f"{number + 1}: {dict(ends)}", flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(f"{options.count} programs, twice each: no hang, no leak, no difference; {dict(ends)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

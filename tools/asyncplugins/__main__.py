"""``python -m tools.asyncplugins [NAME ...] [-- PYTEST-ARGUMENT ...]``: run the suite in each.

The exit status is 0 if every test passed in every environment, 1 if not, 2 if an environment could
not be made. They are kept in ``.cache/asyncplugins``, with the versions that were the newest when
they were made.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.asyncplugins.environments import ENVIRONMENTS, TOLD, Environment
from tools.asyncplugins.making import CannotRunError, Python, find_python, make, versions
from tools.asyncplugins.running import run_suite

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "asyncplugins"


def say(text: str) -> None:
    """Print at once: a reader waits for a minute after some of these lines."""
    print(text, flush=True)


def run(environment: Environment, python: Python, sdist: Path | None, more: list[str]) -> bool:
    """Run the suite in the environment, tell what came of it, return whether all is well."""
    folder = make(environment, python, CACHE, sdist)
    version = ".".join(map(str, python.version))
    say(f"{environment.name} on {version}: {versions(folder, TOLD)}")
    done = run_suite(folder, more)
    say(done.closing if done.is_good else done.output)
    return done.is_good


def parse() -> argparse.Namespace:
    """Read the command line."""
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    names = [environment.name for environment in ENVIRONMENTS]
    parser = argparse.ArgumentParser(prog="./dev asyncplugins", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*names, []], help="all, if none is named")
    parser.add_argument("--python", default=sys.executable, help="makes the environments")
    parser.add_argument("--sdist", type=Path, help="install simclock from it, not from here")
    arguments = parser.parse_args(words[:end])
    arguments.pytest = words[end + 1 :]
    return arguments


def main() -> int:
    """Run the command and return its exit status."""
    arguments = parse()
    chosen = [one for one in ENVIRONMENTS if one.name in (arguments.name or {one.name})]
    is_good = True
    try:
        python = find_python(arguments.python)
        for environment in chosen:
            if environment.runs_on(python.version):
                is_good &= run(environment, python, arguments.sdist, arguments.pytest)
            else:
                say(f"{environment.name}: left out, it is too old for this Python")
    except CannotRunError as error:
        print(f"asyncplugins: {error}", file=sys.stderr, flush=True)
        return 2
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tools.comparison.sample HOW KIND PROBE TOOL [TOKEN]``: one sample, in JSON.

In a process of its own, as a tool may hang, or leave the process changed.
"""

from __future__ import annotations

import importlib
import inspect
import json
import resource
import sys
import threading

MOST_CPU = 300  # seconds; far above any sample's time limit


def take(kind: str, probe: str, tool: str, *token: object) -> dict[str, object]:
    """Return the program's answer under a tool, or the error that it ended with."""
    run = getattr(importlib.import_module(f"tools.comparison.under.{kind}"), tool)
    if kind in ("costs", "suites"):
        return {"answer": run(probe)}
    program = getattr(importlib.import_module(f"tools.comparison.probes.{probes(kind)}"), probe)
    try:
        given = program if inspect.iscoroutinefunction(program) else program()
        return {"answer": run(given, *token)}
    except BaseException as error:  # noqa: BLE001 - how it ends is the result
        return {"error": in_words(error)}


def probes(kind: str) -> str:
    """Return the module of the programs of a kind."""
    return "races" if kind == "replays" else kind


def in_words(error: BaseException) -> str:
    """Return the first error of a group, or this one, with all that it says."""
    while leaves := getattr(error, "exceptions", ()):
        error = leaves[0]
    return f"{type(error).__name__}: {error}".removesuffix(": ")


CHANGEABLE = ("time", "threading", "_thread", "queue", "select", "socket", "random", "os", "uuid")


def parts() -> dict[str, int]:
    """Return what a tool may have put something else for, by name."""
    found = {}
    for name in (*CHANGEABLE, "asyncio", "asyncio.events", "datetime"):
        module = importlib.import_module(name)
        found |= {f"{name}.{part}": id(value) for part, value in vars(module).items()}
    return {name: value for name, value in found.items() if "._" not in name}


def leave(kind: str, probe: str, tool: str) -> dict[str, object]:
    """Return what is not as it was before, once a tool has run a program."""
    importlib.import_module(f"tools.comparison.under.{kind}")
    importlib.import_module(tool)
    before = parts()
    sample = take(kind, probe, tool)
    after = parts()
    left = [name for name in before if after.get(name) != before[name]]
    left += [thread.name for thread in threading.enumerate() if not thread.daemon][1:]
    return {**sample, "left": left}


def main() -> None:
    """Print what came out."""
    # What spins for ever ends also if whoever measures it was killed meanwhile.
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU, MOST_CPU))
    how, kind, probe, tool, *token = sys.argv[1:]
    if how == "after":
        sample = leave(kind, probe, tool)
    else:
        sample = take(kind, probe, tool, *map(json.loads, token))
    print(f"\n{json.dumps(sample)}", flush=True)


if __name__ == "__main__":
    main()

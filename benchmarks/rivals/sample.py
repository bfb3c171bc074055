"""``python -m benchmarks.rivals.sample RUNNER MODULE PROGRAMS CASE A B``: one sample, in JSON.

In a process of its own. Nothing is imported before the cases about importing
begin, asyncio included, but what starting this module brings along.
"""

from __future__ import annotations

import importlib
import sys
import time

TYPE_CHECKING = False  # as `typing` has it, without importing that
if TYPE_CHECKING:
    from benchmarks.rivals.cases import Size


def take(runner: str, module: str, programs: str, case: str, size: Size) -> dict[str, object]:
    """Run a case once.

    Returns:
        ``figure``: real seconds, or bytes for the case ``memory``. ``ended``:
        what the runs of the program returned. ``real``: real seconds.
    """
    run = getattr(importlib.import_module("benchmarks.rivals.runners"), runner)
    if case in ("import", "start"):
        return {"figure": _start(run if case == "start" else None, module, programs)}
    importlib.import_module(module)
    program = getattr(importlib.import_module(f"benchmarks.rivals.{programs}"), case)(size)
    times = size[0] if case == "queue" else 1
    before = _memory("VmRSS")
    began = time.perf_counter()
    ends = run(program, times)
    real = time.perf_counter() - began
    grown = _memory("VmHWM") - before
    assert len(ends) == times
    return {"figure": grown if case == "memory" else real, "ended": sorted(set(ends)), "real": real}


def _start(run: object, module: str, programs: str) -> float:
    began = time.perf_counter()
    importlib.import_module(module)
    if callable(run):
        run(importlib.import_module(f"benchmarks.rivals.{programs}").start((0, 0)), 1)
    return time.perf_counter() - began


def _memory(key: str) -> int:
    """Return a figure of this process's memory, in bytes.

    Not ``ru_maxrss``: a process inherits that from the one that started it.
    """
    with open("/proc/self/status") as lines:  # noqa: PTH123 - `pathlib` is not imported yet
        for line in lines:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/self/status has no {key}")


def _in_words(error: BaseException) -> str:
    """Return the first error of a group, or this one, on one line."""
    while leaves := getattr(error, "exceptions", ()):
        error = leaves[0]
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def main() -> None:
    """Print what the sample gave, or the error."""
    runner, module, programs, case, *size = sys.argv[1:]
    try:
        found = take(runner, module, programs, case, (int(size[0]), int(size[1])))
    except BaseException as error:  # noqa: BLE001 - the result is what the subject cannot do
        found = {"error": _in_words(error)}
    import json  # noqa: PLC0415 - after the measurement

    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

"""Whether a program leaves the process as it was, and does the same again."""

from __future__ import annotations

import gc
import os
import threading

from tools.programs.program import Program


def check(number: int) -> tuple[str, str]:
    """Run the program called *number* twice; return how it ended, and what is wrong or nothing."""
    program = Program(number)
    program.run()  # what is done once in a process is done
    before, threads = _descriptors(), threading.active_count()
    first, second = program.run(), program.run()
    wrong = []
    # When a child process ends is not ours to say, nor what the others have done before it.
    if program.is_repeatable and first != second:
        wrong.append(f"two runs differ:\n  {first}\n  {second}")
    if _descriptors() != before:
        wrong.append(f"descriptors are left: {set(_descriptors()) ^ set(before)}")
    if threading.active_count() != threads:
        wrong.append(f"threads are left: {threading.enumerate()}")
    return first.end.partition(":")[0], "\n".join(wrong)


def _descriptors() -> list[str]:
    """Return what this process has open."""
    gc.collect()  # a connection that was never made is left to that, by whoever was unwound
    return sorted(os.listdir("/proc/self/fd"))

"""Calls in a process that has no other thread: what these do has no schedule."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_R = TypeVar("_R")

# Output is the program's own, so what is told goes through files.
CHILD = "import sys; sys.path[:] = sys.argv[2:]; import simclock._explore.alone as a; a.main()"
ASKED, ANSWERED = "asked", "answered"


def call_alone(function: Callable[[_T], _R], argument: _T) -> _R:
    """Return ``function(argument)``: called here, or, in a thread of many, in a child process.

    Workers of some executors are threads, or processes with threads of their own, which then
    take part in what is simulated.

    Raises:
        BrokenExecutor: The child process has died.
    """
    if threading.current_thread() is threading.main_thread():
        return function(argument)
    # What has brought the argument here may be able to take more along than Python itself.
    pickler = sys.modules.get("cloudpickle", pickle)
    with tempfile.TemporaryDirectory(prefix="simclock-") as folder:
        Path(folder, ASKED).write_bytes(pickler.dumps((function, argument)))
        child = subprocess.run(  # noqa: S603 - this Python
            [sys.executable, *_flags(), "-c", CHILD, folder, *sys.path],
            stdin=subprocess.DEVNULL,
            check=False,
        )
        answer = Path(folder, ANSWERED)
        if child.returncode or not answer.exists():
            raise BrokenExecutor(f"the process of a part has ended with {child.returncode}")
        is_good, result = pickle.loads(answer.read_bytes())  # noqa: S301 - our child's
    if not is_good:
        raise result
    returned: _R = result
    return returned


def _flags() -> list[str]:
    """Return the options of this Python: with ``-O``, for one, it is another program."""
    # As multiprocessing does it.
    found: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return found


def main() -> None:
    """Do in a child process what it was started for."""
    folder = Path(sys.argv[1])
    try:
        function, argument = pickle.loads((folder / ASKED).read_bytes())  # noqa: S301 - as above
        answer = True, function(argument)
    except Exception as error:  # noqa: BLE001 - raised where it was asked for
        answer = False, error
    (folder / ANSWERED).write_bytes(pickle.dumps(answer))

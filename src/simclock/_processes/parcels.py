"""A process object on its way into a simulated process: pickled, as ``spawn`` does."""

from __future__ import annotations

import io
import os
import pickle
import sys
from multiprocessing import context, reduction
from typing import Any

# What `multiprocessing` shares among processes goes as it is: there is one real process.
_SHARED = {"_multiprocessing": ("SemLock",), "multiprocessing.heap": ("Arena",)}
_NOTE = "simulated processes pickle what they are given, whatever the start method is"


class Passed:
    """A descriptor that goes along, a duplicate: whoever has sent it may close its own."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)

    def detach(self) -> int:
        """Return a descriptor of the process that calls this."""
        # Another number: who opens it is who has it.
        mine = os.dup(self._fd)
        self.close()
        return mine

    def fileno(self) -> int:
        """Return the duplicate."""
        return self._fd

    def close(self) -> None:
        """Close it, if nobody has taken it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Parcel:
    """A pickled object, and what goes along with it as it is.

    While it is packed it is what ``get_spawning_popen()`` returns.

    Args:
        subject: The object.
        method: The start method that is stood for.
    """

    def __init__(self, subject: object, method: str) -> None:
        self.method = method
        self._along: list[Any] = []
        self._passed: list[Passed] = []
        self._pickled = b""
        try:
            self._pickled = self._pack(subject)
        except Exception as error:
            self.close()
            if method == "fork":
                _add_note(error, _NOTE)
            raise

    def _pack(self, subject: object) -> bytes:
        file = io.BytesIO()
        context.set_spawning_popen(self)  # type: ignore[arg-type]
        try:
            _Pickler(file, self._along).dump(subject)
        finally:
            context.set_spawning_popen(None)
        return file.getvalue()

    def duplicate_for_child(self, fd: int) -> Passed:
        """Return what `DupFd` takes."""
        self._passed.append(Passed(fd))
        return self._passed[-1]

    @staticmethod
    def DupFd(passed: Passed) -> Passed:  # noqa: N802 - as `multiprocessing.reduction` calls it
        """Return what is to be pickled for a descriptor."""
        return passed

    def descriptors(self) -> list[int]:
        """Return those that go along."""
        return [passed.fileno() for passed in self._passed]

    def unpack(self) -> Any:
        """Return a copy of the object. To be called once, by the process that it is for."""
        return _Unpickler(io.BytesIO(self._pickled), self._along).load()

    def close(self) -> None:
        """Close the descriptors that nobody has taken."""
        for passed in self._passed:
            passed.close()


class _Pickler(reduction.ForkingPickler):
    def __init__(self, file: io.BytesIO, along: list[Any]) -> None:
        super().__init__(file)
        self._along = along
        self._shared = (Passed, *_shared_types())

    def persistent_id(self, obj: object) -> int | None:
        if not isinstance(obj, self._shared):
            return None
        self._along.append(obj)
        return len(self._along) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, along: list[Any]) -> None:
        super().__init__(file)
        self._along = along

    def persistent_load(self, pid: int) -> Any:
        return self._along[pid]


def _shared_types() -> list[type]:
    return [
        getattr(sys.modules[module], name)
        for module, names in _SHARED.items()
        for name in names
        if module in sys.modules
    ]


def _add_note(error: Exception, note: str) -> None:
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:  # pragma: no cover - Python 3.10 has no notes
        error.args = ("\n".join([*map(str, error.args[:1]), note]), *error.args[1:])

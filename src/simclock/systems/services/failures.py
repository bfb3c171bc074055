"""What goes wrong in a daemon, each kind with its error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):  # pragma: no cover - one of both is run on each Python
    from builtins import ExceptionGroup
else:
    from exceptiongroup import ExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Sequence


class OrphanedReturn(Exception):
    """An adopted payload has returned something, and there is nobody to take it.

    Attributes:
        who: The payload, by its name and flavour.
        value: What it has returned.
    """

    def __init__(self, who: str, value: Any) -> None:
        super().__init__(
            f"{who} returned {value!r}, which nobody takes\n"
            "let it return None, or run it by execute()"
        )
        self.who = who
        self.value = value


class PayloadExit(RuntimeError):
    """A payload has raised what is not for it to raise: its cause, which is no ``Exception``.

    ``SystemExit`` and ``KeyboardInterrupt`` are for main threads. They are
    wrapped so that all failures fit into one ``ExceptionGroup``.
    """

    def __init__(self, who: str, error: BaseException) -> None:
        super().__init__(
            f"{who} raised {error!r}\nto end the daemon, let it call shutdown() of the runner"
        )
        self.__cause__: BaseException | None = error


class PayloadCancelled(RuntimeError):
    """A coroutine was cancelled, and not by who runs it: by what it has awaited, or by itself."""

    def __init__(self, who: str) -> None:
        super().__init__(
            f"{who} was cancelled, and nobody has asked the runner for that\n"
            "let it handle that what it awaits is cancelled; "
            "to end a service, use its unit's cancel()"
        )


class NotRunning(RuntimeError):
    """A payload was given to a runner that does not accept, or stopped before its end."""


class BackgroundFailure(ExceptionGroup[Exception], RuntimeError):  # type: ignore[misc,unused-ignore]
    """Adopted payloads have failed, and the daemon was terminated therefore.

    Of one shape for all flavours: flat, with the errors just as the payloads
    raised them, in the order in which that happened. Those of payloads that
    fail while they are stopped are there, too.
    """

    def derive(self, excs: Sequence[Exception]) -> BackgroundFailure:  # type: ignore[override,unused-ignore]
        """Return a group of some of the errors; for ``except*``."""
        return BackgroundFailure(self.message, excs)

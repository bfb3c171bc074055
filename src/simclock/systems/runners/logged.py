"""Calls whose errors are logged, and keep nobody from going on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from simclock.systems.runners.failures import StateBackendError

if TYPE_CHECKING:
    from collections.abc import Callable

logger: logging.Logger = logging.getLogger("simclock.systems.runners")


def tried(what: str, call: Callable[[], object]) -> None:
    """Call it; log an error of it, as *what*."""
    try:
        call()
    except StateBackendError as error:
        # No bug: it comes again and again while a server is away.
        logger.warning("%s: %s", what, error)
    except Exception:
        logger.exception("%s", what)

"""A search of a function that is interrupted and taken up again: by what it is known again."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclock._explore.campaign import Campaign, prepare_folder

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from simclock._explore.search import Search


def name_of(scenario: Callable[[], Any]) -> str:
    """Return what *scenario* is known by, in any process.

    Raises:
        TypeError: It is none that has a name of its own.
    """
    module = getattr(scenario, "__module__", None)
    name = getattr(scenario, "__qualname__", "<")
    if module == "__main__":
        # Of each script the module has that name.
        module = Path(getattr(sys.modules[module], "__file__", "<")).stem
    if "<" in f"{module}{name}":
        raise TypeError(
            f"this is a scenario that is not known again in another process: {scenario!r}\n"
            "give a function that a module defines, for resume= and corpus="
        )
    return f"{module}:{name}"


def campaign_of(
    search: Search, scenario: Callable[[], Any], folder: str | os.PathLike[str]
) -> Campaign:
    """Return where the parts of *search* are kept in *folder*.

    Raises:
        TypeError, ValueError: The scenario, or the folder, cannot be used.
    """
    name = name_of(scenario)
    prepare_folder(Path(folder))
    return Campaign(Path(folder), name, search.identity, complain)


def complain(text: str) -> None:
    """Warn of a file that cannot be used."""
    warnings.warn(text, stacklevel=2)

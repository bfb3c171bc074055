"""Where schedules that fail, and the parts of campaigns, are kept from session to session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_simclock import reporting

if TYPE_CHECKING:
    from simclock.searching import Corpus

# What stands for pytest's cache, and where it is in there.
CACHE = "cache"
IN_CACHE = "simclock"

_campaigns = pytest.StashKey["Path | None"]()


def add_options(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("simclock")
    group.addoption(
        "--simclock-corpus",
        metavar="DIR",
        default=None,
        help="where schedules that fail are kept, to be run first by the next search of the test"
        " (default: in pytest's cache)",
    )
    group.addoption(
        "--simclock-campaign",
        metavar="DIR",
        nargs="?",
        const=CACHE,
        default=None,
        help="make each search in parts of 100 runs, each an item of its own, which pytest-xdist"
        " spreads; parts that are finished are kept in DIR (default: in pytest's cache), and the"
        " same command makes those that are missing",
    )
    for name, what in (("corpus", "DIR"), ("campaign", "DIR, or cache for pytest's cache")):
        help_ = f"the same as --simclock-{name}={what}"
        parser.addini(f"simclock_{name}", help_, type="string", default=None)


def configure(config: pytest.Config) -> None:
    """Read the options, so that a bad one ends the session at once."""
    config.stash[_campaigns] = None
    for name in ("corpus", "campaign"):
        _check(config, name)
    folder = _folder(config, "campaign", "campaigns")
    # A replay and a check are no searches.
    if config.getoption("simclock_replay") or config.getoption("simclock_check"):
        return
    if folder is None:
        if _said(config, "campaign"):
            raise pytest.UsageError(
                "--simclock-campaign: there is no cache of pytest\nwrite --simclock-campaign=DIR"
            )
        return
    from simclock.searching import prepare_folder

    try:
        prepare_folder(folder)
    except ValueError as error:
        raise pytest.UsageError(f"--simclock-campaign: {error}") from None
    config.stash[_campaigns] = folder


def _check(config: pytest.Config, name: str) -> None:
    """Refuse what was meant for the tests to run, and what cannot be a folder."""
    said = _said(config, name)
    if said is None or said == CACHE:
        return
    folder = folder_of(config, name)
    if "::" in said or (folder is not None and folder.is_file()):
        raise pytest.UsageError(
            f"--simclock-{name}: this is no folder: {said!r}\n"
            f"write --simclock-{name}=DIR; or, without a folder, name the tests first"
        )


def campaigns_of(config: pytest.Config) -> Path | None:
    """Return where the parts of campaigns are kept, or None if there is to be none."""
    return config.stash[_campaigns]


def corpus_of(item: pytest.Item) -> Corpus | None:
    """Return where the schedules of *item* that fail are kept; None if nowhere."""
    from simclock.searching import Corpus

    config = item.config
    said = _said(config, "corpus")
    folder = _folder(config, "corpus", "") if said else cached(config, IN_CACHE)
    return None if folder is None else Corpus(folder, complainer(item))


def complainer(item: pytest.Item) -> reporting.Complain:
    """Return a function that shows what cannot be used of these folders, as a warning."""
    return lambda text: reporting.warn(item.config, UserWarning(text), item.nodeid)


def _said(config: pytest.Config, name: str) -> str | None:
    return config.getoption(f"simclock_{name}") or config.getini(f"simclock_{name}") or None


def _folder(config: pytest.Config, name: str, in_cache: str) -> Path | None:
    if _said(config, name) == CACHE:
        folder = cached(config, IN_CACHE)
        return None if folder is None else folder / in_cache
    return folder_of(config, name)


def folder_of(config: pytest.Config, name: str) -> Path | None:
    """Return the folder that an option says; None if it says nothing.

    What is typed is meant from where it is typed, what the ini file says from the root.
    """
    said = _said(config, name)
    if said is None:
        return None
    is_typed = config.getoption(f"simclock_{name}") is not None
    return (config.invocation_params.dir if is_typed else config.rootpath) / said


def cached(config: pytest.Config, name: str) -> Path | None:
    """Return a folder in pytest's cache, which is there then; None if it cannot be."""
    cache = getattr(config, "cache", None)
    try:
        return None if cache is None else Path(cache.mkdir(name))
    except OSError:
        return None

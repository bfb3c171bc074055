"""Which tests are simulated, and how: decided when the collection is over."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from pytest_simclock.closure import definitions
from pytest_simclock.neighbours import kept_loops
from pytest_simclock.options import draws_schedules, is_searched, mode, replayed

_kind = pytest.StashKey["Kind"]()
# Why a test cannot be run as it asks for.
complaints: pytest.StashKey[str] = pytest.StashKey()
# Where our fixtures are, and those that start processes.
_HOMES = ("pytest_simclock.fixtures", "pytest_simclock.clusters")
_WITH_PROCESSES = frozenset({"sim_cpu_executor", "sim_cluster"})


class Kind(enum.Enum):
    """How a test is run."""

    REAL = "in real time"
    OWN = "in a simulation of its own"
    SUITE = "in the suite's simulation"


def kind_of(item: pytest.Item) -> Kind:
    """Return how *item* is run."""
    found = item.stash.get(_kind, None)
    if found is None:
        found = item.stash[_kind] = _decide(item)
    return found


def forget(item: pytest.Item) -> None:
    """Let it be decided again how *item* is run."""
    item.stash.setdefault(_kind, Kind.REAL)
    del item.stash[_kind]


def _decide(item: pytest.Item) -> Kind:
    chosen = mode(item.config)
    if chosen is False:
        return Kind.REAL
    marker = item.get_closest_marker("simclock")
    if marker is not None:
        return Kind.OWN if enabled(marker) else Kind.REAL
    if needs_sim(item):
        return Kind.OWN
    if not chosen:
        return Kind.REAL
    # Each run that is to be compared with others begins anew.
    return Kind.OWN if is_searched(item.config) else Kind.SUITE


def is_of_suite(item: pytest.Item) -> bool:
    """Return whether *item* did not ask for simulated time: ``--simclock`` has, for the suite."""
    return item.get_closest_marker("simclock") is None and not needs_sim(item)


def enabled(marker: pytest.Mark) -> bool:
    """Return whether *marker* asks for simulated time, not against it.

    Raises:
        ValueError: It says neither.
    """
    if len(marker.args) > 1 or (marker.args and not isinstance(marker.args[0], bool)):
        raise ValueError(
            f"the simclock marker takes True or False, and options by name: {marker.args!r}\n"
            "write @pytest.mark.simclock, or @pytest.mark.simclock(seed=1)"
        )
    return bool(marker.args[0]) if marker.args else bool(marker.kwargs.get("enabled", True))


def needs_sim(item: pytest.Item) -> bool:
    """Return whether *item* or a fixture that it uses asks for ours, not for one of that name."""
    return any(
        _is_ours(item, name)
        for name in getattr(item, "fixturenames", ())
        if name == "sim" or name.startswith("sim_")
    )


def wanted_options(item: pytest.Item) -> dict[str, Any]:
    """Return what our fixtures want of the simulation of *item*, unless somebody says otherwise."""
    names = _WITH_PROCESSES & set(getattr(item, "fixturenames", ()))
    return {"processes": "simulated"} if any(_is_ours(item, name) for name in names) else {}


def _is_ours(item: pytest.Item, name: str) -> bool:
    return any(
        getattr(definition.func, "__module__", "") in _HOMES
        for definition in definitions(item, name)
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse what cannot be kept; get ready to simulate, if there is anything to simulate."""
    refused = []
    for item in session.items:
        complaint = _complaint(item)
        if complaint is not None:
            item.stash[complaints] = complaint
            refused.append(f"{item.nodeid}: {complaint}")
    if replayed(session.config) is not None and not session.config.getoption("collectonly"):
        refused += _replay_complaints(session)
    # What a worker of pytest-xdist raises here is lost: there each test says it by itself.
    if refused and not hasattr(session.config, "workerinput"):
        raise pytest.UsageError("\n".join(refused))
    simulated = any(kind_of(item) is not Kind.REAL for item in session.items)
    if (simulated or refused) and not session.config.getoption("collectonly"):
        from pytest_simclock.running import Running

        session.config.pluginmanager.register(Running(session), "simclock-running")


def _replay_complaints(session: pytest.Session) -> list[str]:
    """Return why the schedule that is given cannot be that of what is selected."""
    from pytest_simclock.searching import is_searchable

    found = [item for item in session.items if is_searchable(item) or is_drawn(item)]
    if len(found) == 1 or not session.items:
        return []
    number = f"{len(found)} of those selected are" if found else "none of those selected is"
    complaint = (
        f"--simclock-replay is for one simulated test, and {number}\n"
        "name the test: pytest FILE::TEST --simclock-replay=TOKEN"
    )
    for item in found:
        item.stash[complaints] = complaint
    return [complaint]


def is_drawn(item: pytest.Item) -> bool:
    """Return whether Hypothesis draws the schedules of *item*.

    A class or a module may be marked also if only some of its tests have examples.

    Raises:
        ValueError: The marker has no meaning.
    """
    from pytest_simclock.examples import has_examples

    if kind_of(item) is not Kind.OWN or not draws_schedules(item):
        return False
    found = has_examples(item)
    if not found and any(mark.name == "simclock" for mark in item.own_markers):
        raise ValueError(
            "simclock(schedules=True) is for tests with @given, and this one has no examples\n"
            "let a search choose its schedules, by runs=1000; for a state machine see"
            " simclock.hypothesis.ConcurrentStateMachine"
        )
    return found


def _complaint(item: pytest.Item) -> str | None:
    """Return why *item* cannot be run as it asks for, or None."""
    try:
        kind = kind_of(item)
    except ValueError as error:
        item.stash[_kind] = Kind.REAL
        return str(error)
    if kind is Kind.REAL:
        # Who is not marked, and real for all that, has been asked already.
        marked = item.get_closest_marker("simclock") is not None
        if not marked or mode(item.config) is False or not needs_sim(item):
            return None
        return (
            "the fixture 'sim' needs simulated time, and simclock(False) is marked\n"
            "take away one of the two"
        )
    if kind is Kind.SUITE:
        return None
    try:
        is_drawn(item)
    except ValueError as error:
        return str(error)
    loops = list(kept_loops(item))
    if not loops:
        return None
    return (
        f"{loops[0]} keeps an event loop from test to test, and this test has a simulation, and"
        " so a clock, of its own\n"
        "give the loop function scope, or run the suite with --simclock and this test without"
        " sim and marker"
    )

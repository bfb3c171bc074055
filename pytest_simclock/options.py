"""What a user can choose: on the command line, in the ini file, and by the marker."""

from __future__ import annotations

import hashlib
import json
import os
import time
from argparse import ArgumentTypeError
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from simclock import Schedule
    from simclock.searching import Search

MARKER = (
    "simclock(enabled=True, /, **options): run the test in simulated time, in a simulation of its"
    " own; False: in real time. Options are those of simclock.Simulation: seed, epoch, external,"
    " max_time, max_steps, max_steps_per_instant, watchdog, drain, step_cost, wall_clock,"
    " processes, real_packages, lines, opcodes, faults; leaks='fail' or 'warn'; and those of a"
    " search: runs, strategy, fidelity, latency, budget, shrink. schedules=True: Hypothesis draws"
    " a schedule for each example of a test with @given."
)
EXTERNAL = ("hold", "strict", "ignore")
LEAKS = ("fail", "warn")
# The option that only the marker has.
SCHEDULES = "schedules"
# Code that was written for real time expects the second of two readings of a clock to be later.
SUITE_STEP_COST = 1e-6
# Where a thread ticks for ever there is no deadlock; this many steps take some ten seconds.
SUITE_MAX_STEPS = 1_000_000

WORKER_INPUT = "simclock"

STRICT, TOLERANT = "strict", "tolerant"

# A test's own simulation needs no words for what it does not set, so none are given here.
_given = pytest.StashKey["dict[str, Any]"]()
_suite_epoch = pytest.StashKey[float]()
_searched = pytest.StashKey["dict[str, Any]"]()
# Of an item that is a part of a test: the node id of that.
whole_test: pytest.StashKey[str] = pytest.StashKey()
_replayed = pytest.StashKey["Schedule | None"]()
_timelines = pytest.StashKey["dict[str, str]"]()


class Option(NamedTuple):
    """One option: ``--simclock-NAME`` on the command line, ``simclock_NAME`` in the ini file.

    A *listed* one may be a list in the ini file.
    """

    name: str
    metavar: str
    parse: Callable[[str], Any]
    help: str
    listed: bool = False


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"not a whole number: {text!r}\ngive one such as 1000") from None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"not a number: {text!r}\ngive one such as 30 or 1e-6") from None


def _instant(text: str) -> float:
    """Return POSIX seconds, from themselves, from an ISO 8601 date and time, or from ``now``."""
    if text == "now":
        return time.time()
    try:
        return float(text)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise ValueError(
            f"not an instant: {text!r}\n"
            "give now, POSIX seconds, or a date and time with its offset: 2024-02-29T12:00:00+00:00"
        )
    return when.timestamp()


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def choice(*allowed: str) -> Callable[[str], str]:
    """Return a function that lets only *allowed* pass."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"unknown choice: {text!r}\nchoose one of {', '.join(allowed)}")
        return text

    return parse


OPTIONS = (
    Option("seed", "N", _whole, "the run's seed, from which each test's is made (default: 0)"),
    Option(
        "epoch",
        "INSTANT",
        _instant,
        "where the wall clock starts: 'now', POSIX seconds, or an ISO 8601 date and time with its"
        " offset (default: 2000-01-01T00:00:00+00:00; with --simclock, for tests that did not ask"
        " for it: the real time at the start of the session)",
    ),
    Option(
        "external",
        "POLICY",
        choice(*EXTERNAL),
        "a wait for something that a real thread owns: 'hold' makes the clock wait, 'strict' is"
        " an error, 'ignore' lets the clock run on (default: hold)",
    ),
    Option(
        "max-time", "SECONDS", _seconds, "virtual seconds that a test may take (default: ten years)"
    ),
    Option(
        "max-steps",
        "N",
        _whole,
        "kernel steps that a test may take (default: 10 million; with --simclock 1 million)",
    ),
    Option(
        "max-steps-per-instant",
        "N",
        _whole,
        "steps without time passing: more is a livelock (default: 1 million)",
    ),
    Option(
        "watchdog",
        "SECONDS",
        _seconds,
        "real seconds without progress that fail a test (default: 30)",
    ),
    Option(
        "drain", "SECONDS", _seconds, "virtual seconds for leftover threads to end (default: 60)"
    ),
    Option(
        "step-cost",
        "SECONDS",
        _seconds,
        "virtual seconds that a step without a wait takes, such as reading a clock (default: 0;"
        " with --simclock 1e-6)",
    ),
    Option(
        "wall-clock",
        "NAME",
        str,
        "the library that the wall clock is read through: 'time-machine' or 'freezegun'"
        " (default: freezegun if it has frozen the time already, else time-machine)",
    ),
    Option(
        "processes",
        "MODEL",
        str,
        "what processes of multiprocessing are: 'real' ones, for which the clock is held, or"
        " 'simulated', groups of simulated threads; or a plugin's (default: real)",
    ),
    Option(
        "real-packages",
        "NAMES",
        _names,
        "packages whose calls run in real time while the clock is held, such as 'grpc,boto3';"
        " in the ini file a list (default: none)",
        listed=True,
    ),
    Option(
        "lines",
        "MODULES",
        _names,
        "modules of which each line is a place where another thread may run, such as"
        " 'shop.stock,shop.cart'; in the ini file a list (default: none)",
        listed=True,
    ),
    Option(
        "opcodes",
        "MODULES",
        _names,
        "the same for each instruction (default: none)",
        listed=True,
    ),
    Option(
        "faults",
        "WHICH",
        choice("on", "off"),
        "'off': nothing goes wrong by choice or by plan, whatever tests and programs ask for"
        " (default: on)",
    ),
    Option(
        "leaks",
        "VERDICT",
        choice(*LEAKS),
        "threads and holds that are left behind: 'fail' or 'warn' (default: fail; with"
        " --simclock, for tests that did not ask for it: warn)",
    ),
)


# How the schedules of a test are searched, each run in a simulation of its own.
SEARCH_OPTIONS = (
    Option(
        "runs",
        "N",
        _whole,
        "run each simulated test up to so many times, each time under another schedule, until one"
        " fails (default: 1, under the canonical one)",
    ),
    Option(
        "strategy",
        "NAME",
        str,
        "what chooses the schedules: 'portfolio', 'random', 'pct', 'pos', 'urw', 'dfs', 'clock',"
        " 'canonical' or a plugin's; with options: 'pct:depth=5' (default: portfolio)",
    ),
    Option(
        "fidelity",
        "WHICH",
        choice("legal", "chaos"),
        "'legal': schedules that real threads, timers and executors may have; 'chaos': also orders"
        " of asyncio tasks that asyncio does not have, and conditions that wake one more (default:"
        " legal)",
    ),
    Option(
        "latency",
        "SECONDS",
        _seconds,
        "virtual seconds for which threads that could run may be kept from it in a search, so that"
        " a timer comes first; 0 for tests that count on exact times (default: 0.1)",
    ),
    Option(
        "budget",
        "SECONDS",
        _seconds,
        "real seconds after which no other run of a test is begun (default: none)",
    ),
    Option(
        "shrink",
        "N",
        _whole,
        "runs that may be spent on shrinking the schedule of a failure (default: 1000; 0: none)",
    ),
)


# What is written of tests to be looked at.
FAILED, ALL, OFF = "failed", "all", "off"
TIMELINE_OPTIONS = (
    Option(
        "timeline",
        "WHICH",
        choice(FAILED, ALL, OFF),
        "simulated tests of which a timeline is written, a page to look at in a browser: 'failed',"
        " 'all' or 'off' (default: failed)",
    ),
    Option("timeline-dir", "DIR", str, "where timelines are written (default: in pytest's cache)"),
)


def add_options(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("simclock", "simulated time")
    group.addoption(
        "--simclock",
        action="store_true",
        default=None,
        help="run the whole suite in simulated time: one simulation, of which each test is a part",
    )
    group.addoption(
        "--no-simclock",
        action="store_false",
        dest="simclock",
        help="run everything in real time, also what is marked; tests that need sim are skipped",
    )
    parser.addini("simclock", "the same as --simclock", type="bool", default=False)
    group.addoption(
        "--simclock-replay",
        metavar="TOKEN|FILE",
        default=None,
        help="run one test under the schedule that its failure has printed, or that is in FILE",
    )
    group.addoption(
        "--simclock-replay-mode",
        metavar="MODE",
        type=_argument(choice(STRICT, TOLERANT)),
        default=STRICT,
        help="a replay that comes to other choices: 'strict' is an error, 'tolerant' leaves out"
        " what does not fit (default: strict)",
    )
    group.addoption(
        "--simclock-check",
        action="store_true",
        default=False,
        help="run each simulated test three times under one schedule; it fails if the runs differ",
    )
    for option in (*OPTIONS, *SEARCH_OPTIONS, *TIMELINE_OPTIONS):
        group.addoption(
            f"--simclock-{option.name}",
            metavar=option.metavar,
            type=_argument(option.parse),
            default=None,
            help=option.help,
        )
        kind: Literal["args", "string"] = "args" if option.listed else "string"
        help_ = f"the same as --simclock-{option.name}"
        parser.addini(_ini_name(option), help_, type=kind, default=None)


def _argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return convert


def _ini_name(option: Option) -> str:
    return f"simclock_{_key(option)}"


def _key(option: Option) -> str:
    return option.name.replace("-", "_")


def configure(config: pytest.Config) -> None:
    """Register the marker, and read the options, so that a bad one ends the session at once."""
    config.addinivalue_line("markers", MARKER)
    found = _read(config, OPTIONS)
    # A worker of pytest-xdist reads the same options, later: `now` is when the session began.
    told = getattr(config, "workerinput", {}).get(WORKER_INPUT, {})
    if "epoch" in found:
        found["epoch"] = told.get("epoch", found["epoch"])
    config.stash[_given] = found
    config.stash[_searched] = _read(config, SEARCH_OPTIONS)
    _check_search(searched(config))
    config.stash[_timelines] = _read(config, TIMELINE_OPTIONS)
    config.stash[_replayed] = _schedule(config)
    # Whole seconds: it is shown, to be given again.
    config.stash[_suite_epoch] = told.get("suite_epoch", float(int(time.time())))
    _check(found)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist what it cannot find out by itself."""
    config = node.config
    node.workerinput[WORKER_INPUT] = {
        "suite_epoch": config.stash[_suite_epoch],
        **{key: value for key, value in given(config).items() if key == "epoch"},
    }


def _read(config: pytest.Config, options: tuple[Option, ...]) -> dict[str, Any]:
    found = {}
    for option in options:
        value = config.getoption(_ini_name(option))
        if value is None and config.getini(_ini_name(option)):
            value = _from_ini(config, option)
        if value is not None:
            found[_key(option)] = value
    return found


def _from_ini(config: pytest.Config, option: Option) -> Any:
    said = config.getini(_ini_name(option))
    try:
        return option.parse(" ".join(said) if option.listed else said)
    except ValueError as error:
        raise pytest.UsageError(f"{_ini_name(option)}: {error}") from None


def _check(found: dict[str, Any]) -> None:
    # Modules beside the tests are not found before these are collected.
    later = ("leaks", "lines", "opcodes")
    options = {key: value for key, value in found.items() if key not in later}
    if not options:
        return
    from simclock import Simulation

    try:
        Simulation(**options)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"simclock: {error}") from None


def _check_search(found: dict[str, Any]) -> None:
    if not found:
        return
    try:
        search_of(found, 0)
    except (TypeError, ValueError, RuntimeError) as error:
        raise pytest.UsageError(f"simclock: {error}") from None


def search_of(options: dict[str, Any], seed: int | str) -> Search:
    """Return a search with these options; *seed* is that of its strategy.

    Raises:
        TypeError, ValueError, PluginError: An option has no meaning.
    """
    from simclock.searching import Search, settings_of

    rest = dict(options)
    settings = {key: rest.pop(key) for key in ("fidelity", "latency") if key in rest}
    strategy = rest.pop("strategy", "portfolio")
    return Search(strategy, settings_of(**settings), seed=seed, **rest)


def _schedule(config: pytest.Config) -> Schedule | None:
    """Return the schedule that is to be replayed, of a token or of a file that has it."""
    text = config.getoption("simclock_replay")
    if text is None:
        return None
    if config.getoption("simclock_check"):
        raise pytest.UsageError("--simclock-replay and --simclock-check exclude each other")
    from simclock import Schedule

    # A token may be longer than a name can be, which `Path.is_file` does not forgive.
    is_file = os.path.isfile(text)  # noqa: PTH113
    try:
        return Schedule.from_token(_token_of_file(text) if is_file else text)
    except ValueError as error:
        missing = "" if is_file else "there is no such file, and "
        raise pytest.UsageError(f"--simclock-replay: {missing}{error}") from None


def _token_of_file(path: str) -> str:
    try:
        return str(json.loads(Path(path).read_text(encoding="utf-8"))["token"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(
            f"there is no token of a schedule in {path}: {error!r}\n"
            "give a file that a failure has named, or the token itself"
        ) from None


def mode(config: pytest.Config) -> bool | None:
    """Return True for the whole suite in simulated time, False for none of it, else None."""
    chosen: bool | None = config.getoption("simclock")
    if chosen is None and config.getini("simclock"):
        return True
    return chosen


def marked_options(item: pytest.Item) -> dict[str, Any]:
    """Return what the marker of *item* says of its simulation, by name.

    Raises:
        ValueError: There is no such option, or it cannot have that value.
    """
    options = _marked(item)
    options.pop(SCHEDULES, None)
    for option in SEARCH_OPTIONS:
        options.pop(_key(option), None)
    return options


def draws_schedules(item: pytest.Item) -> bool:
    """Return whether the marker asks for a schedule for each example of Hypothesis.

    Raises:
        ValueError: It says something else.
    """
    marker = item.get_closest_marker("simclock")
    found = marker is not None and marker.kwargs.get(SCHEDULES, False)
    if not isinstance(found, bool):
        raise ValueError(  # noqa: TRY004 - as any other wrong option of the marker
            f"schedules is True or False: {found!r}\nwrite simclock(schedules=True)"
        )
    return found


def search_options(item: pytest.Item) -> dict[str, Any]:
    """Return how the schedules of *item* are to be searched, as far as that is said, by name.

    Raises:
        ValueError: The marker has no such option, or it cannot have that value.
    """
    names = {_key(option) for option in SEARCH_OPTIONS}
    marked = {name: value for name, value in _marked(item).items() if name in names}
    return {**searched(item.config), **marked}


def _marked(item: pytest.Item) -> dict[str, Any]:
    marker = item.get_closest_marker("simclock")
    options = {} if marker is None else dict(marker.kwargs)
    options.pop("enabled", None)
    allowed = {_key(option): option.parse for option in (*OPTIONS, *SEARCH_OPTIONS)}
    for name, value in options.items():
        if name not in {*allowed, SCHEDULES}:
            known = [*allowed, SCHEDULES]
            meant = "".join(
                f"did you mean {each!r}? " for each in get_close_matches(name, known, 1)
            )
            raise ValueError(
                f"the marker has no option {name!r}\n{meant}choose one of {', '.join(known)}"
            )
        if name in ("leaks", "fidelity") or (name == "epoch" and isinstance(value, str)):
            options[name] = allowed[name](value)
    return options


def replayed(config: pytest.Config) -> Schedule | None:
    """Return the schedule that a test is to be run under, if one is given."""
    return config.stash[_replayed]


def searched(config: pytest.Config) -> dict[str, Any]:
    """Return what the command line and the ini file say of searches, by name."""
    found: dict[str, Any] = config.stash[_searched]
    return dict(found)


def timelines(config: pytest.Config) -> str:
    """Return of which tests timelines are wanted."""
    return config.stash[_timelines].get("timeline", FAILED)


def test_id(item: pytest.Item) -> str:
    """Return the node id of the test that *item* is, or is a part of."""
    return item.stash.get(whole_test, item.nodeid)


def seed_of(item: pytest.Item) -> int:
    """Return the seed of a test: from its name, so that it is the same whatever else is run."""
    run_seed = given(item.config).get("seed", 0)
    digest = hashlib.sha256(f"{run_seed}:{test_id(item)}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def strategy_seed(item: pytest.Item) -> int:
    """Return the seed of the strategy that searches *item*."""
    return int(marked_options(item).get("seed", seed_of(item)))


def is_searched(config: pytest.Config) -> bool:
    """Return whether the session looks at schedules: a search, a check or a replay."""
    return bool(
        searched(config).get("runs", 1) > 1
        or config.getoption("simclock_check")
        or config.getoption("simclock_replay")
    )


def given(config: pytest.Config) -> dict[str, Any]:
    """Return what the command line and the ini file say, by the names of the marker's options."""
    found: dict[str, Any] = config.stash[_given]
    return dict(found)


def suite_options(config: pytest.Config) -> dict[str, Any]:
    """Return the options of the simulation that spans a suite, which was written for real time.

    Its wall clock starts at the real time: files and certificates are as old as they are.
    """
    return {
        "step_cost": SUITE_STEP_COST,
        "epoch": config.stash[_suite_epoch],
        "max_steps": SUITE_MAX_STEPS,
        **given(config),
    }


def said(name: str, value: Any) -> str:
    """Return the value of an option as the command line takes it."""
    if name == "epoch":
        return datetime.fromtimestamp(value, timezone.utc).isoformat()
    return ",".join(value) if isinstance(value, tuple) else f"{value}"

"""Strategies that plugins add: chosen by name, with options, and refused where they are wrong."""

from __future__ import annotations

import contextlib

import pytest

import simclock


class Last(simclock.Strategy):
    name = "last"

    def __init__(self, seed=0, *, skip: int = 0):
        super().__init__(seed)
        self._skip = skip

    def choose(self, point):
        self._skip -= 1
        return 0 if self._skip >= 0 else point.bound - 1


class Nameless(simclock.Strategy):
    def choose(self, point):
        return 0


class Taken(simclock.Strategy):
    name = "pct"


class Plugin:
    def __init__(self, answer):
        self._answer = answer

    @simclock.hookimpl
    def simclock_strategies(self):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.fixture
def plug_in():
    plugins = []

    def register(answer):
        plugins.append(Plugin(answer))
        simclock.register(plugins[-1], "made up")

    yield register
    for plugin in plugins:
        with contextlib.suppress(simclock.PluginError):
            simclock.unregister(plugin)


def nothing():
    pass


def test_a_plugins_strategy_is_chosen_by_its_name(programs, plug_in):
    plug_in([Last])
    report = simclock.explore(programs.lost_update, strategy="last", runs=1)

    assert report.evidence.strategy == "last"
    assert report.evidence.points[0] > 0


def test_its_options_are_given_after_the_name(programs, plug_in):
    plug_in([Last])

    def token(strategy):
        found = []

        def scenario():
            programs.lost_update()
            found.append(simclock.active().trace.digest)

        with contextlib.suppress(AssertionError):
            simclock.explore(scenario, strategy=strategy, runs=1)
        return found

    assert token("last:skip=1000") == token("canonical")
    assert token("last") != token("canonical")


def test_a_plugin_may_have_none(plug_in):
    plug_in(None)

    assert simclock.explore(nothing).verdict == "passed"


def test_a_plugin_that_is_gone_has_none(plug_in):
    plug_in([Last])
    text = "^unknown strategy: 'lost'\nchoose one of portfolio, .*, clock, last$"
    with pytest.raises(ValueError, match=text):
        simclock.explore(nothing, strategy="lost")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            [Nameless],
            (
                "plugin 'made up' returned {answer} from simclock_strategies\n"
                "return a list of subclasses of simclock.Strategy, each with a name"
            ),
        ),
        (
            [Last(0)],
            (
                "plugin 'made up' returned {answer} from simclock_strategies\n"
                "return a list of subclasses of simclock.Strategy, each with a name"
            ),
        ),
        (
            [int],
            (
                "plugin 'made up' returned {answer} from simclock_strategies\n"
                "return a list of subclasses of simclock.Strategy, each with a name"
            ),
        ),
        (
            [Taken],
            "plugin 'made up' has a strategy with a name that is taken: 'pct'\ngive it another one",
        ),
        (
            [Last, Last],
            (
                "plugin 'made up' has a strategy with a name that is taken: 'last'\n"
                "give it another one"
            ),
        ),
        (
            Last,
            "plugin 'made up' returned {whole} from simclock_strategies\nreturn a list",
        ),
        (
            KeyError("x"),
            (
                "plugin 'made up' failed in simclock_strategies: KeyError('x')\n"
                "mend it, or unregister it"
            ),
        ),
    ],
)
def test_a_plugin_that_is_wrong_is_named(plug_in, answer, text):
    plug_in(answer)
    first = answer[0] if isinstance(answer, list) else answer
    with pytest.raises(simclock.PluginError) as caught:
        simclock.explore(nothing)

    assert str(caught.value) == text.format(answer=repr(first), whole=repr(answer))
    # An instance is nobody's business but the caller's.
    assert simclock.explore(nothing, strategy=Last(0), runs=5).verdict == "passed"

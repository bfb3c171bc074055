"""Services: which classes can be, when their instances are started, and what ends them."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import pickle
import threading
import time
import types

import pytest
import trio

from simclock import flavours
from simclock.systems.services import (
    BackgroundFailure,
    NotRunning,
    ServiceRunner,
    ServiceUnit,
    State,
    service,
    stop_token,
    units,
)


@pytest.fixture
def beat(log):
    """Return a class of services that note when they begin and end."""

    @service(flavour=threading)
    class Beat:
        def __init__(self, name="beat"):
            time.sleep(1)  # half made
            self.name = name

        def run(self):
            log(f"{self.name} begins")
            stop_token().wait()
            log(f"{self.name} ends")

    return Beat


# ---------------------------------------------------------------------------------- decorating


def test_the_class_stays_what_it_was():
    class Thing:
        """Its text."""

        def __init__(self, *, value: int):
            self.value = value

        def run(self): ...

    decorated = service(flavour=threading)(Thing)

    assert decorated is Thing
    assert decorated.__init__.__name__ == "__init__"
    made = decorated(value=3)
    assert made.value == 3
    assert repr(made.__service_unit__) == (
        "<unit of test_the_class_stays_what_it_was.<locals>.Thing (threading): new>"
    )


def test_what_cannot_be_a_service_is_refused():
    class WithoutRun: ...

    class Coroutine:
        async def run(self): ...

    class Slots:
        __slots__ = ("value",)

        def run(self): ...

    class NoWeakReferences:
        __slots__ = ("__dict__",)

        def run(self): ...

    with pytest.raises(LookupError, match="unknown flavour: 'curio'"):
        service(flavour="curio")
    with pytest.raises(TypeError) as caught:
        service(WithoutRun)
    assert str(caught.value) == (
        f"service is used without a flavour: {WithoutRun!r}\n"
        "decorate the class with @service(flavour=...), such as threading"
    )
    threads = service(flavour=threading)
    with pytest.raises(TypeError, match="a service is a class, not 7\ndecorate the class"):
        threads(7)
    with pytest.raises(TypeError, match="WithoutRun has no method run\ngive it one"):
        threads(WithoutRun)
    with pytest.raises(TypeError, match=r"no payload of flavour 'threading': .*Coroutine.run"):
        threads(Coroutine)
    for each in Slots, NoWeakReferences:
        with pytest.raises(TypeError, match=f"{each.__name__} have no __dict__ or no __weakref__"):
            threads(each)


def test_a_copy_of_the_class_is_refused_where_an_instance_is_made():
    @dataclasses.dataclass(slots=True)
    @service(flavour=threading)
    class Slots:
        value: int = 3

        def run(self): ...

    with pytest.raises(
        TypeError, match=r"Slots is a copy of a class .*\nlet @service be the outer"
    ):
        Slots()


class Copied:
    def __init__(self):
        self.value = [3]

    def run(self): ...


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))]
)
def test_a_copy_has_no_unit(monkeypatch, copied):
    class_ = service(flavour=threading)(type("Service", (Copied,), {"__module__": __name__}))
    monkeypatch.setitem(globals(), "Service", class_)
    made = class_()
    other = copied(made)

    assert other.value == [3]
    assert not hasattr(other, "__service_unit__")
    with pytest.raises(AttributeError, match="Service has no unit: __service_unit__\ncopies of"):
        _ = other.__service_unit__
    assert made.__service_unit__.state is State.NEW
    other.__init__()
    assert other.__service_unit__ is not made.__service_unit__


def test_arguments_of_the_constructor_are_the_class_own_matter():
    @service(flavour=threading)
    class New:
        def __new__(cls, value):
            made = super().__new__(cls)
            made.value = value
            return made

        def run(self): ...

    class SubOfNew(New):
        pass

    @service(flavour=threading)
    class Decorated(New):
        def __new__(cls, value, other):
            made = super().__new__(cls, value)
            made.other = other
            return made

    @service(flavour=threading)
    class Neither:
        def run(self): ...

    @service(flavour=threading)
    @dataclasses.dataclass(frozen=True)
    class Frozen:
        value: int

        def run(self): ...

    class Undecorated(Neither):
        def __new__(cls, value):
            made = super().__new__(cls)
            made.value = value
            return made

    assert New(3).value == SubOfNew(3).value == Undecorated(3).value == 3
    assert (Decorated(3, 4).value, Decorated(3, 4).other) == (3, 4)
    assert isinstance(Neither().__service_unit__, ServiceUnit)
    assert Frozen(3).value == 3
    with pytest.raises(TypeError, match="argument"):
        Neither(3)


def test_what_new_makes_of_another_class_is_left_alone():
    @service(flavour=threading)
    class Factory:
        def __new__(cls):
            return types.SimpleNamespace(value=3)

        def run(self): ...

    assert vars(Factory()) == {"value": 3}


def test_an_instance_that_is_made_twice_is_one_service(sim, log, accepting):
    @service(flavour=threading)
    class Singleton:
        made = None

        def __new__(cls):
            cls.made = cls.made or super().__new__(cls)
            return cls.made

        def run(self):
            log("runs")

    with accepting():
        assert Singleton() is Singleton()
        time.sleep(1)
    del Singleton.made  # the class is garbage when it is collected, and not before

    assert log == [(0.0, "runs")]


# ----------------------------------------------------------------------------------- starting


def test_a_service_is_started_when_it_is_made_and_not_before(sim, log, accepting, beat):
    @service(flavour=asyncio)
    class Later(beat):
        def __init__(self):
            super().__init__("later")
            time.sleep(1)
            self.name = "made"

        async def run(self):
            log(f"{self.name} begins")

    with accepting():
        beat()
        Later()
        time.sleep(1)

    assert log == [(1.0, "beat begins"), (3.0, "made begins"), (4.0, "beat ends")]


def test_subclasses_are_services_too_each_started_once(sim, log, accepting, beat):
    class Sub(beat):
        def __init__(self):
            super().__init__("sub")
            time.sleep(1)

    class SubSub(Sub):
        pass

    with accepting():
        for cls in Sub, SubSub, Sub, beat:
            cls()
        time.sleep(1)

    begun = [entry for entry in log if entry[1].endswith("begins")]
    assert begun == [
        (2.0, "sub begins"), (4.0, "sub begins"), (6.0, "sub begins"), (7.0, "beat begins"),
    ]  # fmt: skip


def test_an_instance_whose_making_fails_never_runs(sim, log, accepting):
    kept = []

    @service(flavour=threading)
    class Fails:
        def __init__(self):
            kept.append(self)
            raise ValueError("half made")

        def run(self):
            log("never")

    with accepting():
        with pytest.raises(ValueError, match="half made"):
            Fails()
        time.sleep(1)
    with accepting():
        pass

    assert log == []
    assert kept


@pytest.mark.parametrize("flavour", ["asyncio", "threading", "trio"])
def test_a_running_service_keeps_its_instance_and_no_longer(sim, accepting, flavour):
    """Not even until garbage is collected: it would be run again, or not, as chance has it."""

    async def coroutine(self):
        await flavours.get(flavour).sleep(1e6)

    def function(self):
        stop_token().wait()

    @service(flavour=flavour)
    class Keeps:
        run = function if flavour == "threading" else coroutine

    with accepting():
        unit = Keeps().__service_unit__
        time.sleep(1)
        assert unit.running
        assert unit._service() is not None

    assert unit._service() is None
    assert not unit.start(ServiceRunner())


def test_services_are_started_in_the_order_of_their_making(sim, log, accepting):
    @service(flavour=trio)
    class Numbered:
        def __init__(self, number):
            self.number = number

        async def run(self):
            log(self.number)

    made = [Numbered(number) for number in range(5)]
    with accepting():
        time.sleep(1)

    # trio takes those that are ready at once in the order of the schedule.
    assert sorted(log) == [(0.0, number) for number in range(5)]
    assert [unit._service() for unit in units._units.values()][-5:] == made


def test_a_service_is_run_by_the_runner_that_accepted_first(sim, log, accepting):
    @service(flavour=threading)
    class Where:
        def run(self):
            stop_token().wait()
            log("ends")

    made = Where()
    with accepting():
        time.sleep(1)
        with accepting():
            time.sleep(1)
        log("the second has ended")

    assert log == [(2.0, "the second has ended"), (2.0, "ends")]
    assert made


def test_a_service_that_is_made_while_the_runner_stops_is_run_next_time(sim, log, accepting, beat):
    kept = []

    def late():
        stop_token().wait()
        kept.append(beat("late"))

    with accepting() as runner:
        runner.adopt(late, flavour=threading)
    log("stopped")
    with accepting(runner):
        time.sleep(1)

    assert log == [(1.0, "stopped"), (1.0, "late begins"), (2.0, "late ends")]


def test_a_service_that_cannot_be_started_ends_the_runner(sim, monkeypatch, beat):
    made = beat()
    monkeypatch.setattr(
        "simclock.flavours.threading.Threading.start", lambda _: {}["no such library"]
    )
    with pytest.raises(BackgroundFailure) as caught:
        ServiceRunner().accept()

    assert [repr(error) for error in caught.value.exceptions] == ["KeyError('no such library')"]
    assert made.__service_unit__.state is State.NEW


# ------------------------------------------------------------------------------------ ending


def test_a_service_that_has_ended_may_be_started_again_in_the_same_run(sim, log, accepting, beat):
    with accepting() as runner:
        kept = beat()
        unit = kept.__service_unit__
        assert not unit.start(runner)
        unit.cancel()
        time.sleep(1)
        assert unit.start(runner)
        time.sleep(1)

    assert log == [
        (1.0, "beat begins"), (1.0, "beat ends"), (2.0, "beat begins"), (3.0, "beat ends"),
    ]  # fmt: skip


def test_a_service_that_was_cancelled_is_not_run_until_it_is_started(sim, log, accepting, beat):
    made = beat()
    assert not made.__service_unit__.cancel()
    with accepting() as runner:
        time.sleep(1)
        log("it was left out")
        made.__service_unit__.start(runner)
        time.sleep(1)

    assert log == [(2.0, "it was left out"), (2.0, "beat begins"), (3.0, "beat ends")]


def test_a_service_that_is_offered_to_who_accepts_no_more_waits_for_the_next():
    class Over:
        def start_unit(self, unit, payload):
            raise NotRunning("over")

    @service(flavour=threading)
    class Quiet:
        def run(self):
            pass

    quiet = Quiet()
    unit = quiet.__service_unit__
    unit.offer(Over())

    assert unit.state is State.NEW


def test_a_service_that_is_cancelled_while_it_is_started_ends(sim, log, accepting):
    """Its first step is before the runner has told the unit what runs it."""

    class Hasty:
        async def run(self):
            log("runs")
            await asyncio.sleep(1e6)

    class Starter:
        def start_unit(self, unit, payload):
            unit.cancel()
            runner.start_unit(unit, payload)

        def unit_failed(self, unit, error):
            raise error

    with accepting() as runner:
        made = Hasty()
        unit = ServiceUnit(made, asyncio)
        assert unit.start(Starter())
        time.sleep(1)

        assert unit.state is State.STOPPED
        assert runner.state is State.RUNNING
    assert log == []


def test_a_service_that_has_failed_says_so(sim):
    @service(flavour=threading)
    class Fails:
        def run(self):
            return 7

    made, runner = Fails(), ServiceRunner()
    for _ in range(2):
        with pytest.raises(BackgroundFailure):
            runner.accept()

        assert made.__service_unit__.state is State.FAILED

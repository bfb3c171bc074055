"""Functions of a program that go wrong by choice, and are put back."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import types

import pytest

import simclock

PROGRAM = '''
import time

class Stock:
    left = 3

    def take(self, number):
        """Take some."""
        self.left -= number
        return self.left

    @staticmethod
    def size(number):
        return number

    @classmethod
    def named(cls):
        return cls.__name__

    @property
    def empty(self):
        return not self.left

class Special(Stock):
    pass

def now():
    return time.monotonic() - 1000

async def fetch():
    return "tea"
'''


@pytest.fixture
def shop(monkeypatch):
    module = types.ModuleType("shop_of_the_test")
    exec(PROGRAM, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


SITE = "shop_of_the_test:Stock.take"
FULL = OSError(28, "No space left on device")


def test_a_call_raises_by_choice(shop, simulate):
    before = shop.Stock.__dict__["take"]

    def scenario(sim):
        sim.faults.at(SITE, error=FULL)
        found = [shop.Stock().take(1)]
        for _ in range(2):
            with pytest.raises(OSError, match=r"\[Errno 28\] No space left on device") as caught:
                shop.Stock().take(2)
            found.append(caught.value)
        assert shop.Stock.take.__doc__ == "Take some."
        return found, str(sim.faults.plan)

    (found, plan), points = simulate(scenario, {(f"site: {SITE}", n): 1 for n in (1, 2)})

    assert found[0] == 2
    # Each time another error, so that each has its own traceback.
    assert found[1] is not found[2] is not FULL
    assert shop.Stock.__dict__["take"] is before
    assert plan == f"at 0 s fire {SITE}\nat 0 s fire {SITE}"
    assert [(each.label, each.odds, each.words) for each in points[:1]] == [
        (f"site: {SITE}", 0.1, (f"{SITE} raises OSError(28, 'No space left on device')",))
    ]


def test_a_call_is_late_or_dropped(shop, simulate):
    def scenario(sim):
        sim.faults.at("shop_of_the_test:now", error=KeyError, delay=(0.1, 2.5), drop=True)
        return [shop.now() for _ in range(5)]

    choices = {("site: shop_of_the_test:now", turn): turn + 1 for turn in range(1, 5)}
    found, points = simulate(scenario, choices)

    assert found == [0.0, 0.5, pytest.approx(0.6), pytest.approx(3.1), None]
    assert [each.removeprefix("shop_of_the_test:now ") for each in points[0].words] == [
        "raises KeyError",
        "takes 0.5 s longer",
        "takes 0.1 s longer",
        "takes 2.5 s longer",
        "is dropped",
    ]


def test_a_coroutine_function(shop, simulate):
    ticks = []

    async def main():
        async def tick():
            while True:
                await asyncio.sleep(1)
                ticks.append(time.monotonic() - 1000)

        task = asyncio.create_task(tick())
        found = [await shop.fetch(), await shop.fetch()]
        task.cancel()
        return [*found, await shop.fetch()]

    def scenario(sim):
        sim.faults.at("shop_of_the_test:fetch", delay=(3.5, 3.5), drop=True)
        return asyncio.run(main())

    choices = {("site: shop_of_the_test:fetch", 1): 1, ("site: shop_of_the_test:fetch", 2): 2}

    assert simulate(scenario, choices)[0] == ["tea", "tea", None]
    assert ticks == [1.0, 2.0, 3.0]


def test_static_and_class_methods_and_what_is_inherited(shop, simulate):
    def scenario(sim):
        for name in ("Stock.size", "Stock.named", "Special.take"):
            sim.faults.at(f"shop_of_the_test:{name}", error=KeyError("no"))
        assert (shop.Stock.size(3), shop.Special.named(), shop.Special().take(1)) == (
            3,
            "Special",
            2,
        )
        with pytest.raises(KeyError):
            shop.Stock().size(1)
        with pytest.raises(KeyError):
            shop.Stock.named()
        with pytest.raises(KeyError):
            shop.Special().take(1)
        assert shop.Stock().take(1) == 2

    names = ("Stock.size", "Stock.named", "Special.take")
    simulate(scenario, {(f"site: shop_of_the_test:{name}", 1): 1 for name in names})

    assert "take" not in vars(shop.Special)
    assert type(vars(shop.Stock)["size"]) is staticmethod
    assert shop.Special.named() == "Special"


def test_it_is_put_back_when_the_simulation_fails(shop):
    before = shop.now

    with pytest.raises(ZeroDivisionError), simclock.Simulation() as sim:
        sim.faults.at("shop_of_the_test:now", drop=True)
        assert shop.now is not before
        raise ZeroDivisionError

    assert shop.now is before


def test_two_at_one_place_and_one_that_ends_earlier(shop, simulate):
    before = shop.now

    def scenario(sim):
        sim.faults.at("shop_of_the_test:now", drop=True)
        place = sim.faults.at("shop_of_the_test:now", drop=True)
        found = [shop.now()]
        place.put_back()
        place.put_back()
        return [*found, shop.now()]

    choices = {("site: shop_of_the_test:now", 0): 1, ("site: shop_of_the_test:now", 1): 1}

    assert simulate(scenario, choices)[0] == [None, None]
    assert shop.now is before


def test_what_somebody_else_has_replaced_stays(shop):
    with simclock.Simulation() as sim:
        sim.faults.at("shop_of_the_test:now", drop=True)
        shop.now = other = lambda: 3

    assert shop.now is other


def test_for_other_threads_and_simulations_nothing_changes(shop, simulate):
    seen = []

    def scenario(sim):
        sim.faults.at("shop_of_the_test:now", drop=True, p=1.0)
        with sim.real_time():
            thread = threading.Thread(target=lambda: seen.append(shop.now()))
            thread.start()
            thread.join()
        with simclock.Simulation():
            seen.append(shop.now())
        return shop.now()

    assert simulate(scenario, {("site: shop_of_the_test:now", 0): 1})[0] is None
    assert [type(each) for each in seen] == [float, float]
    assert seen[1] == 0.0


def test_an_error_that_cannot_be_copied_is_raised_itself(shop, simulate):
    class Strange(Exception):
        def __init__(self, *, code):
            super().__init__()
            self.code = code

        def __reduce__(self):
            raise TypeError

    error = Strange(code=3)

    def scenario(sim):
        sim.faults.at("shop_of_the_test:now", error=error)
        with pytest.raises(Strange) as caught:
            shop.now()
        return caught.value

    assert simulate(scenario, {("site: shop_of_the_test:now", 0): 1})[0] is error


ADVICE = "name it as 'package.module:Class.method', or 'package.module:function'"


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        (3, {}, f"this is no name of a function: 3\n{ADVICE}"),
        ("time.sleep", {}, f"this is no name of a function: 'time.sleep'\n{ADVICE}"),
        (
            "no_such_thing:x",
            {},
            (
                "there is no module 'no_such_thing', of 'no_such_thing:x': No module named"
                f" 'no_such_thing'\n{ADVICE}"
            ),
        ),
        (
            "shop_of_the_test:Stock.no",
            {},
            (
                "there is no 'no' in <class 'shop_of_the_test.Stock'>, of"
                f" 'shop_of_the_test:Stock.no'\n{ADVICE}"
            ),
        ),
        (
            "builtins:str.upper",
            {},
            (
                "'builtins:str.upper' cannot be replaced: cannot set 'upper' attribute of immutable"
                f" type 'str'\n{ADVICE}"
            ),
        ),
        (SITE, {"drop": False}, "no fault is given\ngive error=, delay= or drop=True"),
        (SITE, {"error": "x"}, "this is no error: 'x'\ngive an exception, or its class"),
        (
            SITE,
            {"delay": 3},
            "delay is no range of seconds: 3\ngive two such as (0.1, 2.0)",
        ),
        (
            SITE,
            {"delay": (2.0, 1.0)},
            "delay is no range of seconds: (2.0, 1.0)\ngive two such as (0.1, 2.0)",
        ),
        (SITE, {"p": -1}, "p is no probability: -1\ngive a number from 0 to 1"),
    ],
)
def test_errors(shop, name, options, error):
    with simclock.Simulation() as sim, pytest.raises((TypeError, ValueError)) as caught:
        sim.faults.at(name, **{"drop": True, **options})

    assert str(caught.value) == error


@pytest.mark.parametrize("name", ["Stock", "Stock.empty", "Stock.left"])
def test_only_functions_are_replaced(shop, name):
    with simclock.Simulation() as sim, pytest.raises(TypeError, match="this is no function: "):
        sim.faults.at(f"shop_of_the_test:{name}", drop=True)

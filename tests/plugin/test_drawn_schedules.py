"""The marker that has Hypothesis draw a schedule for each example of a test."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

pytest.importorskip("hypothesis")

SETUP = """
import asyncio, threading, time
import pytest, simclock
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

thorough = settings(max_examples=500, database=None, deadline=None)

def sell(stock, orders):
    left = stock
    lock = threading.Lock()

    def take(number):
        nonlocal left
        with lock:
            enough = left >= number
        if enough:
            with lock:
                left -= number

    threads = [threading.Thread(target=take, args=(number,)) for number in orders]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return left
"""

RACE = """
@settings({settings})
{more}
@pytest.mark.simclock(schedules=True)
@given(orders=st.lists(st.integers(1, 9)))
def test(orders):
    assert sell(max(orders, default=0), orders) >= 0
"""


@pytest.fixture
def suite(suite):
    def run(text, *arguments):
        return suite(dedent(text), *arguments, setup=SETUP)

    return run


def race(chosen="thorough", more="# nothing more"):
    return RACE.format(settings=chosen, more=more)


@pytest.fixture
def token(suite):
    """Return the token that the race's failure tells."""
    text = suite(race()).stdout.str()
    (found,) = re.findall(r"^E +simclock: Deviations\(.*\), token (\S+)$", text, re.MULTILINE)
    return found


def test_data_and_schedule_are_shrunk_and_told(suite):
    result = suite(race())

    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "orders=[1, 1],\n" in text
    (deviations,) = re.findall(r"^E +simclock: (Deviations\(.*\)), token s1\.", text, re.MULTILINE)
    assert 1 <= deviations.count("(") - 1 <= 3
    assert "/simclock/" not in text


def test_without_the_option_the_schedule_is_the_canonical_one(suite):
    result = suite(race().replace("(schedules=True)", "(schedules=False)"))

    result.assert_outcomes(passed=1)


def test_an_explicit_example_is_run_under_the_canonical_schedule(suite):
    chosen = "thorough, phases=[Phase.explicit]"

    suite(race(chosen, "@example(orders=[1, 1])")).assert_outcomes(passed=1)


def test_or_under_the_one_that_is_replayed(suite, token):
    explicit = "thorough, phases=[Phase.explicit]"
    replay = f"--simclock-replay={token}"

    result = suite(race(explicit, "@example(orders=[1, 1])"), replay)
    other = suite(race(explicit, "@example(orders=[])"), replay)
    tolerant = suite(
        race(explicit, "@example(orders=[])"), replay, "--simclock-replay-mode=tolerant"
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert -1 >= 0*"])
    other.assert_outcomes(failed=1)
    other.stdout.fnmatch_lines(["*Divergence: the run does not follow its schedule*"])
    tolerant.assert_outcomes(passed=1)


def test_a_failure_says_how_to_see_it_again(suite):
    """Token and data: Hypothesis' database is not for everybody who reads a failure."""
    text = suite(race()).stdout.str()
    (token,) = re.findall(r"^E +simclock: Deviations\(.*\), token (\S+)$", text, re.MULTILINE)
    (orders,) = re.findall(r"^E +orders=(\[.*\]),$", text, re.MULTILINE)
    replay = f"--simclock-replay={token}"

    assert f"again: pytest test_suite.py::test {replay}\n" in text
    assert "with the data of the failing example in @example" in text
    again = suite(race(more=f"@example(orders={orders})"), replay)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*explicit example: test(*", f"again: * {replay}"])


def test_a_schedule_that_is_for_no_example_fails_the_test(suite, token):
    harmless = race("thorough, max_examples=20").replace(">= 0", "> -99")

    result = suite(harmless, f"--simclock-replay={token}")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "the schedule that is to be replayed is for an explicit example, and there was none",
            "add @example with the data of the failure",
        ]
    )


@pytest.mark.parametrize("drawn", [True, False])
def test_a_failure_tells_the_time_of_its_example(suite, drawn):
    result = suite(
        f"""
        @settings(thorough, max_examples=50, derandomize=True)
        @pytest.mark.simclock(schedules={drawn}, latency=0)
        @given(number=st.integers(0, 9))
        def test(number):
            assume(number != 3)
            time.sleep(number)
            assert number < 5
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["failed at virtual +5 s,*"])


def test_a_failure_of_the_end_of_an_example_does_too(suite):
    result = suite(
        """
        @settings(thorough, max_examples=20)
        @pytest.mark.simclock(schedules=True, latency=0, leaks="fail")
        @given(number=st.integers(0, 9))
        def test(number):
            time.sleep(7)
            threading.Thread(target=threading.Event().wait).start()
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Leak: *", "failed at virtual +7 s,*"])


def test_an_unmarked_test_shows_no_line_of_ours(suite):
    result = suite(
        """
        from simclock.hypothesis import ConcurrentStateMachine, concurrent, schedules
        from hypothesis.stateful import rule

        few = settings(thorough, max_examples=5)

        def fail():
            assert 1 == 2

        @few
        @given(schedules())
        def test_run(schedule):
            schedule.run(fail)

        @few
        @given(schedules())
        def test_thread(schedule):
            schedule.run(threading.Thread(target=fail).start)

        @few
        @given(schedules())
        def test_block(schedule):
            with schedule.simulation():
                threading.Thread(target=fail).start()

        class Machine(ConcurrentStateMachine):
            @rule()
            @concurrent
            def fail(self):
                fail()

        Machine.TestCase.settings = few
        TestMachine = Machine.TestCase

        def test_program():
            state = Machine()
            state.fail()
            state.settle()

        def test_after():
            assert simclock.active() is None
        """,
        "--tb=short",
    )

    result.assert_outcomes(failed=5, passed=1)
    assert "simclock/hypothesis.py" not in result.stdout.str()
    assert "contextlib.py" not in result.stdout.str()


@pytest.mark.parametrize("fidelity", ["legal", "chaos"])
def test_the_fidelity_is_that_of_a_search(suite, fidelity):
    result = suite(
        f"""
        orders = set()

        @settings(thorough)
        @pytest.mark.simclock(schedules=True)
        @given(st.none())
        async def test(_):
            log = []

            async def work(name):
                log.append(name)

            await asyncio.gather(work("a"), work("b"))
            orders.add("".join(log))

        def test_seen():
            assert orders == ({{"ab"}} if {fidelity == "legal"} else {{"ab", "ba"}})
        """,
        f"--simclock-fidelity={fidelity}",
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("latency", [0, 0.1])
def test_the_latency_is_that_of_the_marker(suite, latency):
    result = suite(
        f"""
        ends = set()

        @settings(thorough, max_examples=200)
        @pytest.mark.simclock(schedules=True, latency={latency})
        @given(st.none())
        def test(_):
            threading.Thread(target=time.sleep, args=(0.01,)).start()
            time.sleep(0.001)
            time.sleep(0)
            ends.add(simclock.active().elapsed)

        def test_seen():
            assert (ends == {{0.001}}) is {latency == 0}
        """
    )

    result.assert_outcomes(passed=2)


def test_the_schedule_is_that_of_the_example_and_sim_too(suite):
    result = suite(
        """
        seeds = set()

        @settings(thorough, max_examples=20, suppress_health_check=list(HealthCheck))
        @pytest.mark.simclock(schedules=True)
        @given(number=st.integers(0, 5))
        def test(sim, number):
            assert sim is simclock.active()
            time.sleep(number)
            assert number <= sim.elapsed <= number + 0.2
            seeds.add(sim.seed)

        def test_seen():
            assert len(seeds) == 1
        """
    )

    result.assert_outcomes(passed=2)


def test_a_thread_that_raises_fails_its_example(suite):
    result = suite(
        """
        @thorough
        @pytest.mark.simclock(schedules=True)
        @given(number=st.integers(0, 20))
        def test(number):
            threading.Thread(target=divmod, args=(1, min(number, 17) - 17)).start()
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*", "*number=17,*"])
    result.stdout.fnmatch_lines(["*simclock: Deviations(), token s1.*"])


def test_a_deadlock_that_needs_a_schedule_is_found(suite):
    result = suite(
        """
        @thorough
        @pytest.mark.simclock(schedules=True)
        @given(pairs=st.lists(st.sampled_from(["ab", "ba"]), max_size=4))
        def test(pairs):
            locks = {"a": threading.Lock(), "b": threading.Lock()}

            def work(first, second):
                with locks[first], locks[second]:
                    pass

            threads = [threading.Thread(target=work, args=pair) for pair in pairs]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        """
    )

    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert re.search(r"pairs=\['(ab', 'ba|ba', 'ab)'\],\n", text)
    assert "Deadlock: deadlock: " in text


@pytest.mark.parametrize("statistics", [(), ("--hypothesis-show-statistics",)])
def test_statistics_count_deviations(suite, statistics):
    result = suite(race("thorough, max_examples=20"), *statistics)

    assert ("%, simclock: deviations: 0" in result.stdout.str()) is bool(statistics)


# ------------------------------------------------------------------------- what is refused


def test_a_test_without_examples_is_refused(suite):
    result = suite(
        """
        @pytest.mark.simclock(schedules=True)
        def test(): pass
        """
    )

    result.stderr.fnmatch_lines(
        ["*simclock(schedules=True) is for tests with @given, and this one has no examples*"]
    )


def test_but_a_class_or_a_module_may_have_some(suite):
    result = suite(
        """
        pytestmark = pytest.mark.simclock(schedules=True)

        def test_plain():
            assert simclock.active() is not None

        @settings(thorough, max_examples=5)
        @given(st.none())
        def test_drawn(_): pass
        """
    )

    result.assert_outcomes(passed=2)


def test_what_is_neither_true_nor_false_is_refused(suite):
    result = suite(
        """
        @pytest.mark.simclock(schedules=100)
        @given(st.none())
        def test(_): pass
        """
    )

    result.stderr.fnmatch_lines(
        ["*schedules is True or False: 100*", "*write simclock(schedules=True)*"]
    )


def test_examples_that_share_a_loop_are_refused(suite):
    result = suite(
        """
        @pytest.fixture
        async def loop():
            yield asyncio.get_running_loop()

        @settings(thorough, suppress_health_check=list(HealthCheck))
        @pytest.mark.simclock(schedules=True)
        @given(number=st.integers())
        async def test(loop, number): pass
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the examples share the event loop of an async fixture*"])


# ------------------------------------------------------------------- in another process


@pytest.mark.slow
@pytest.mark.parametrize("form", ["marker", "argument"])
def test_the_database_replays_a_failure_in_a_fresh_process(pytester, form):
    """Nothing is drawn any more there: what fails comes from the database."""
    text = race("{0}, database=DirectoryBasedExampleDatabase('examples')")
    if form == "argument":
        text = text.replace("@pytest.mark.simclock(schedules=True)\n", "")
        text = text.replace("9)))", "9)), schedule=schedules())").replace(
            "(orders):", "(orders, schedule):"
        )
        text = text.replace("sell(max(", "schedule.run(sell, max(")
    head = (
        f"{SETUP}\nfrom hypothesis.database import DirectoryBasedExampleDatabase\n"
        "from simclock.hypothesis import schedules\n"
    )

    def run(chosen):
        pytester.makepyfile(test_suite=head + text.format(chosen))
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist")

    def told(result):
        return [line for line in result.stdout.lines if "token s1." in line or "orders=" in line]

    first = run("thorough")
    again = run("thorough, phases=[Phase.reuse]")

    first.assert_outcomes(failed=1)
    again.assert_outcomes(failed=1)
    assert told(again) == told(first) != []

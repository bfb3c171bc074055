"""In which world fixtures are that are wider than a test."""

from __future__ import annotations

import ast

import pytest

# A fixture of each wide kind notes the world of its set-up and of its teardown.
WIDE = """
import pytest, simclock, unittest

log = []

def world():
    return "real" if simclock.active() is None else "simulated"

@pytest.fixture(scope="session")
def of_session():
    log.append(("session set up", world()))
    yield
    log.append(("session torn down", world()))
    print(log)

@pytest.fixture(scope="module")
def of_module(of_session):
    log.append(("module set up", world()))
    yield
    log.append(("module torn down", world()))

def setup_module():
    log.append(("setup_module", world()))

def teardown_module():
    log.append(("teardown_module", world()))

{mark}
class TestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        log.append(("setUpClass", world()))

    @classmethod
    def tearDownClass(cls):
        log.append(("tearDownClass", world()))

    @pytest.fixture(autouse=True)
    def of_test(self, of_module):
        log.append(("set up", world()))
        yield
        log.append(("torn down", world()))

    def test(self):
        log.append(("test", world()))
"""
STEPS = [
    "setUpClass",
    "setup_module",
    "session set up",
    "module set up",
    "set up",
    "test",
    "torn down",
    "tearDownClass",
    "module torn down",
    "teardown_module",
    "session torn down",
]


def worlds(result):
    line = next(line for line in result.stdout.lines if "[(" in line)
    return dict(ast.literal_eval(line[line.index("[(") :]))


def test_under_the_marker_only_what_is_the_tests_own_is_simulated(suite):
    result = suite(WIDE.format(mark="@pytest.mark.simclock"), "-s")

    result.assert_outcomes(passed=1)
    own = {"set up", "test", "torn down"}
    assert worlds(result) == {step: "simulated" if step in own else "real" for step in STEPS}


def test_in_a_whole_suite_everything_is_simulated(suite):
    result = suite(WIDE.format(mark=""), "-s", "--simclock")

    result.assert_outcomes(passed=1)
    assert worlds(result) == dict.fromkeys(STEPS, "simulated")


def test_with_the_option_too_a_marked_tests_wide_fixtures_are_real(suite):
    result = suite(WIDE.format(mark="@pytest.mark.simclock"), "-s", "--simclock")

    result.assert_outcomes(passed=1)
    own = {"set up", "test", "torn down"}
    assert worlds(result) == {step: "simulated" if step in own else "real" for step in STEPS}


SERVER = """
import queue, threading, time, pytest

@pytest.fixture(scope="{scope}")
def double():
    asked, answered = queue.Queue(), queue.Queue()

    def serve():
        for number in iter(asked.get, None):
            {work}
            answered.put(number * 2)

    thread = threading.Thread(target=serve, name="server")
    thread.start()

    def double(number):
        asked.put(number)
        return answered.get(timeout=30)

    yield double
    asked.put(None)
    thread.join()
"""


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_threads_of_wide_fixtures_serve_a_whole_suite(suite, scope):
    result = suite(
        """
        import simclock

        class TestDouble:
            @pytest.mark.parametrize("number", range(5))
            def test(self, double, number):
                assert double(number) == 2 * number
                assert simclock.active().elapsed == pytest.approx(10, abs=0.001)
        """,
        "--simclock",
        setup=SERVER.format(scope=scope, work="time.sleep(10)"),
    )

    result.assert_outcomes(passed=5)


def test_threads_of_wide_fixtures_are_foreign_to_a_marked_test(suite):
    result = suite(
        """
        @pytest.mark.parametrize("number", range(3))
        def test(double, sim, number):
            with sim.hold("the server"):
                assert double(number) == 2 * number
            assert sim.elapsed == 0
        """,
        setup=SERVER.format(scope="module", work="pass"),
    )

    result.assert_outcomes(passed=3)


OWNER = """
import threading, time, pytest

lock = threading.Lock()

@pytest.fixture(scope="module")
def owned_for_a_while():
    owned = threading.Event()

    def own():
        with lock:
            owned.set()
            time.sleep(0.2)

    thread = threading.Thread(target=own, name="owner")
    thread.start()
    owned.wait()
    yield
    thread.join()
"""


@pytest.mark.parametrize(("option", "argument"), [("--simclock", ""), ("-v", "sim, ")])
def test_a_wait_for_a_real_thread_is_told(suite, option, argument):
    result = suite(
        f"""
        def test({argument}owned_for_a_while):
            assert lock.acquire(timeout=3600)
            lock.release()

        def test_after({argument}owned_for_a_while):
            pass
        """,
        option,
        "-Werror",
        setup=OWNER,
    )

    if argument:
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(
            [
                "simclock: in 1 test the clock was held for what is outside",
                "  test_suite.py::test: root (0), waits for lock, owned by a foreign thread, *",
            ]
        )
    else:
        # The owner is a thread of the suite's simulation: nothing is real.
        result.assert_outcomes(passed=2)


def test_foreign_threads_of_a_wide_fixture_are_named_in_a_deadlock(suite):
    result = suite(
        """
        def test(double, sim):
            threading.Event().wait()
        """,
        setup=SERVER.format(scope="module", work="pass"),
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("*foreign threads might still help: *server*")


def test_a_fixture_with_other_parameters_is_torn_down_where_it_was_set_up(suite):
    result = suite(
        """
        import pytest, simclock

        log = []

        @pytest.fixture(scope="module", params=[1, 2])
        def numbered(request):
            log.append((request.param, simclock.active() is None))
            yield
            log.append((-request.param, simclock.active() is None))

        @pytest.mark.simclock
        def test(numbered):
            assert simclock.active() is not None

        def test_log():
            assert log == [(1, True), (-1, True), (2, True)]
        """
    )

    result.assert_outcomes(passed=3)


def test_a_fixture_that_fails_to_be_set_up_is_in_its_world_too(suite):
    result = suite(
        """
        import pytest, simclock

        log = []

        @pytest.fixture(scope="session", autouse=True)
        def last():
            yield
            assert log == [True]

        @pytest.fixture(scope="module")
        def broken(request):
            request.addfinalizer(lambda: log.append(simclock.active() is None))
            raise OSError("no")

        @pytest.mark.simclock
        def test(broken):
            pass

        @pytest.mark.simclock
        def test_again(broken):
            pass

        @pytest.mark.simclock
        def test_after(sim):
            assert simclock.active() is sim
        """
    )

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines("*OSError: no")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("", "simclock(False)", ["*in the suite's simulation, for *::test_first: server", "*this test runs in real time *"]),
        ("", "simclock(True)", ["*in the suite's simulation, for *::test_first: server", "*this test runs in a simulation of its own *"]),
        ("simclock(False)", "", ["*in real time, for *::test_first: server", "*this test runs in the suite's simulation *"]),
    ],
)  # fmt: skip
def test_threads_that_a_test_cannot_reach_are_an_error_that_names_the_fixture(
    suite, first, second, said
):
    marks = [f"@pytest.mark.{mark}" if mark else "" for mark in (first, second)]
    result = suite(
        f"""
        {marks[0]}
        def test_first(double):
            assert double(1) == 2

        {marks[1]}
        def test_second(double):
            pass
        """,
        "--simclock",
        setup=SERVER.format(scope="module", work="pass"),
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["the fixture 'double' of module scope runs threads " + said[0], said[1]]
    )


def test_threads_of_a_fixture_that_a_test_does_not_name_are_not_looked_for(suite):
    result = suite(
        """
        @pytest.mark.simclock(False)
        def test_first(double):
            assert double(1) == 2

        def test_second(request):
            request.getfixturevalue("double")
        """,
        "--simclock",
        setup=SERVER.format(scope="module", work="pass"),
    )

    result.assert_outcomes(passed=2)


def test_a_fixture_of_the_suites_simulation_is_torn_down_after_a_marked_test(suite):
    result = suite(
        """
        import pytest, simclock

        log = []

        @pytest.fixture(scope="module")
        def shared():
            yield
            log.append(simclock.active() is not None)

        @pytest.fixture(scope="session", autouse=True)
        def last():
            yield
            assert log == [True]

        def test_of_the_suite(shared): pass

        def test_own(sim, shared): pass
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=2)


def test_fixtures_without_threads_may_be_shared_by_all(suite):
    result = suite(
        """
        import pytest

        @pytest.fixture(scope="session")
        def shared(tmp_path_factory):
            return tmp_path_factory.mktemp("shared")

        def test_of_the_suite(shared): pass

        def test_own(sim, shared): pass

        @pytest.mark.simclock(False)
        def test_real(shared): pass
        """,
        "--simclock",
    )

    result.assert_outcomes(passed=3)


# ------------------------------------------------------- what cannot be kept


def test_a_contradiction_is_an_error_of_the_collection(suite):
    result = suite(
        """
        import pytest

        @pytest.mark.simclock(False)
        def test(sim):
            pass
        """
    )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: test_suite.py::test: the fixture 'sim' needs simulated time, and simclock(False) is marked",
            "take away one of the two",
        ]
    )


def test_a_wide_event_loop_and_a_clock_for_each_test_are_an_error_of_the_collection(suite):
    text = """
        import asyncio, pytest

        @pytest.fixture(scope="module")
        def event_loop():
            loop = asyncio.new_event_loop()
            yield loop
            loop.close()

        {mark}
        def test(event_loop):
            event_loop.run_until_complete(asyncio.sleep(3600))

        {mark}
        def test_again(event_loop):
            event_loop.run_until_complete(asyncio.sleep(3600))
        """
    refused = suite(text.format(mark="@pytest.mark.simclock"))
    kept = suite(text.format(mark=""), "--simclock")

    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(
        "ERROR: test_suite.py::test: the fixture 'event_loop' of module scope keeps an event loop *"
    )
    kept.assert_outcomes(passed=2)


def test_sim_itself_is_for_one_test(suite):
    result = suite(
        """
        import pytest

        @pytest.fixture(scope="module")
        def wide(sim): pass

        def test(wide): pass
        """
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("ScopeMismatch: *function* scoped fixture sim *")

"""Sessions that end early or begin where the last one ended, and those that are torn from outside."""

from __future__ import annotations

import pytest

WORLDS = {"whole suite": ["--simclock"], "marker": []}

pytestmark = pytest.mark.parametrize("world", WORLDS)


@pytest.fixture
def run(pytester, world):
    """Return a function that runs a suite in its order, in one of the worlds, with a cache."""

    def run(text, *arguments, apart=False):
        marker = "pytest.mark.simclock" if world == "marker" else "[]"
        pytester.makepyfile(
            test_suite=f"import os, threading, time, pytest\npytestmark = {marker}\n{text}"
        )
        how = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return how("-p", "no:random-order", "-v", *WORLDS[world], *arguments)

    return run


def ran(result):
    """Return the names and the verdicts of what was run, in order."""
    words = [line.split() for line in result.stdout.lines if line.startswith("test_suite.py::")]
    return [(test.rpartition("::")[2], verdict) for test, verdict, *_ in words]


FOUR = """
def test_1():
    time.sleep(3600)

def test_2():
    time.sleep(3600)
    assert os.path.exists("mended")

def test_3():
    time.sleep(3600)

def test_4():
    time.sleep(3600)
    assert False
"""


def test_the_first_failures_end_it(run):
    assert ran(run(FOUR, "-x")) == [("test_1", "PASSED"), ("test_2", "FAILED")]
    assert ran(run(FOUR, "--maxfail=2"))[1:] == [
        ("test_2", "FAILED"),
        ("test_3", "PASSED"),
        ("test_4", "FAILED"),
    ]


def test_the_failures_of_the_last_run_come_alone_or_first(run):
    run(FOUR)

    assert ran(run(FOUR, "--lf")) == [("test_2", "FAILED"), ("test_4", "FAILED")]
    assert [name for name, _ in ran(run(FOUR, "--ff"))] == ["test_2", "test_4", "test_1", "test_3"]


def test_stepwise_goes_on_where_it_failed(run, pytester):
    assert ran(run(FOUR, "--sw")) == [("test_1", "PASSED"), ("test_2", "FAILED")]
    pytester.path.joinpath("mended").touch()

    assert ran(run(FOUR, "--sw"))[0] == ("test_2", "PASSED")
    assert ran(run(FOUR, "--sw")) == [("test_4", "FAILED")]


@pytest.mark.parametrize("place", ["set_up", "test", "teardown", "thread"])
def test_ctrl_c_ends_the_session_and_tears_down_what_is_set_up(run, place):
    doing = dict.fromkeys(("set_up", "test", "teardown", "thread"), "pass")
    doing[place] = "import signal; os.kill(os.getpid(), signal.SIGINT); time.sleep(1)"
    result = run(
        f"""
@pytest.fixture(scope="session")
def of_session():
    yield
    print("the session's is torn down")

@pytest.fixture(scope="module")
def of_module(of_session):
    yield
    print("the module's is torn down")

@pytest.fixture
def own():
    {doing["set_up"]}
    yield
    {doing["teardown"]}

def interrupts():
    {doing["thread"]}

def test(of_module, own):
    thread = threading.Thread(target=interrupts)
    thread.start()
    thread.join()
    {doing["test"]}

def test_after():
    pass
""",
        "-s",
        apart=True,
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    shown = [line for line in result.stdout.lines if "torn down" in line]
    assert len(shown) == 2
    assert shown[0].endswith("the module's is torn down")
    assert shown[1] == "the session's is torn down"
    result.stdout.fnmatch_lines("!!!* KeyboardInterrupt !!!*")
    result.stdout.no_fnmatch_line("*test_after*")
    assert result.stderr.lines == []


@pytest.mark.slow
def test_a_worker_of_xdist_that_dies_is_replaced(run):
    result = run(
        """
@pytest.mark.parametrize("number", range(4))
def test(number):
    time.sleep(3600)
    if number == 1:
        os._exit(3)
""",
        "-n2",
        apart=True,
    )

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.re_match_lines(r"worker 'gw\d' crashed while running 'test_suite\.py::test\[1\]'")


@pytest.mark.parametrize("how", ["loadscope", "each"])
def test_all_ways_to_distribute_tests_simulate_them(run, how):
    result = run(
        """
class TestOne:
    @pytest.mark.parametrize("number", range(3))
    def test(self, number):
        threading.Timer(60, int).start()
        time.sleep(3600)

class TestTwo:
    def test(self):
        time.sleep(3600)
        assert False
""",
        "-n2",
        f"--dist={how}",
    )

    times = 2 if how == "each" else 1
    result.assert_outcomes(passed=3 * times, failed=times)
    result.stdout.fnmatch_lines(
        [
            "again: pytest test_suite.py::TestTwo::test --simclock*",
            f"simclock: {4 * times} tests in simulated time, {4 * times} h 0 min of it in *",
        ]
    )


def test_faulthandler_dumps_stacks_after_its_real_timeout(run, pytester):
    pytester.makeini("[pytest]\nfaulthandler_timeout = 0.3")
    result = run(
        """
def test_virtual():
    time.sleep(3600)

def test_real():
    end = os.times().elapsed + 0.6
    while os.times().elapsed < end:
        pass
""",
        apart=True,
    )

    result.assert_outcomes(passed=2)
    result.stderr.fnmatch_lines(["Timeout (0:00:00.300000)!", '*test_suite.py"* in test_real'])
    assert "in test_virtual" not in result.stderr.str()

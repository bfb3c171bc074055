"""Searches of schedules, checks and replays: what is run how often, what is told, what is refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

# A race of two threads that some schedules lose.
RACE = """
import threading, time, pytest

def race():
    found = [0]
    def add():
        before = found[0]
        time.sleep(0)
        found[0] = before + 1
    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found[0]
"""
LOST = "@pytest.mark.simclock(runs=100)\ndef test():\n    assert race() == 2\n"
FOUND = "run * of at most 100 failed, by strategy portfolio, *; reproduced 10/10"


@pytest.fixture
def kept(pytester):
    """Return a function that makes a test module and runs it in its order, with a cache."""

    def run(text, *arguments, apart=False):
        pytester.makepyfile(test_suite=f"{RACE}\n{text}")
        how = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return how("-p", "no:random-order", *arguments)

    return run


def token_of(result):
    return re.search(r"--simclock-replay=(s1\.\S+)", result.stdout.str()).group(1)


# ----------------------------------------------------------------------- runs, fixtures


def test_fixtures_of_function_scope_are_made_for_each_run_and_wider_ones_once(suite):
    result = suite(
        """
        did = []

        def fixture(scope):
            @pytest.fixture(scope=scope)
            def made():
                did.append(scope)
                yield
                print("DOWN", scope, did.count(scope))
            return made

        session, module, klass, function = map(fixture, ["session", "module", "class", "function"])

        @pytest.mark.simclock(runs=5, strategy="random")
        class TestFirst:
            def test_1(self, session, module, klass, function, monkeypatch, tmp_path, capsys, caplog):
                assert not hasattr(self, "mine")
                self.mine = 1
                monkeypatch.setenv("SEARCHED", "yes")
                assert list(tmp_path.iterdir()) == []
                tmp_path.joinpath("file").touch()
                print("out")
                assert capsys.readouterr().out == "out\\n"
                assert caplog.records == []
                race()

            def test_2(self, klass):
                assert (did.count("class"), did.count("function")) == (1, 6)

        def test_last(session, module):
            import os
            assert "SEARCHED" not in os.environ
            assert did.count("session") == did.count("module") == 1
        """,
        "-rP",
        setup=RACE,
    )

    result.assert_outcomes(passed=3)
    # Five runs, and the first is repeated to see whether it repeats.
    shown = [line for line in result.stdout.lines if line.startswith(("DOWN", "____"))]
    assert [line.strip("_ ") for line in shown] == [
        "TestFirst.test_1", "DOWN function 6", "TestFirst.test_2", "DOWN class 1",
        "DOWN module 1", "DOWN session 1",
    ]  # fmt: skip


@pytest.mark.parametrize("more", [[], ["-x"]])
@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_a_wide_fixture_that_fails_in_its_teardown_is_an_error_of_the_last_test(suite, scope, more):
    result = suite(
        f"""
        import logging

        @pytest.fixture(scope={scope!r})
        def wide():
            yield
            print("going down")
            logging.getLogger("wide").warning("logged going down")
            raise OSError("wide is broken")

        @pytest.mark.simclock(runs=3)
        class Test:
            def test(self, wide):
                race()
        """,
        *more,
        setup=RACE,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of Test.test*", "*OSError: wide is broken", "going down", "*logged going down"]
    )  # fmt: skip
    result.stdout.fnmatch_lines("simclock: 1 test searched, 3 runs, *")


@pytest.mark.parametrize("more", [[], ["-x"]])
def test_a_failed_teardown_of_the_run_and_one_of_what_is_wider_are_both_told(suite, more):
    result = suite(
        """
        @pytest.fixture(scope="module")
        def wide():
            yield
            raise OSError("wide is broken")

        @pytest.fixture
        def own():
            yield
            raise OSError("own is broken")

        @pytest.mark.simclock(runs=3)
        def test(wide, own):
            pass
        """,
        *more,
        setup=RACE,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E *OSError: own is broken", "E *OSError: wide is broken"])


def test_a_failure_that_ends_the_session_tears_down_everything(suite):
    result = suite(
        """
        @pytest.fixture(scope="session", autouse=True)
        def wide():
            yield
            raise OSError("wide is broken")

        @pytest.mark.simclock(runs=100)
        def test():
            assert race() == 2

        def test_after():
            pass
        """,
        "-x",
        setup=RACE,
    )

    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines("*OSError: wide is broken")


@pytest.mark.parametrize("place", ["set_up", "call", "teardown"])
def test_a_failure_is_found_in_each_part(suite, place):
    doing = {name: "race() == 2" if name == place else "True" for name in ("set_up", "call", "teardown")}  # fmt: skip
    result = suite(
        f"""
        @pytest.fixture
        def own():
            assert {doing["set_up"]}
            yield
            assert {doing["teardown"]}

        @pytest.mark.simclock(runs=100)
        def test(own):
            print("called")
            assert {doing["call"]}
        """,
        setup=RACE,
    )

    expected = {"set_up": {"errors": 1}, "call": {"failed": 1}, "teardown": {"passed": 1, "errors": 1}}  # fmt: skip
    result.assert_outcomes(**expected[place])
    result.stdout.fnmatch_lines([FOUND, "again: pytest test_suite.py::test --simclock-replay=s1.*"])
    # Of all the runs, the output is that of the one that failed.
    assert result.stdout.lines.count("called") == (place != "set_up")


def test_skips_and_expected_failures_end_a_search_as_they_end_a_test(suite):
    result = suite(
        """
        pytestmark = pytest.mark.simclock(runs=100)

        def test_skipped():
            pytest.skip("why not")

        @pytest.mark.skip
        def test_never():
            assert False

        @pytest.mark.xfail
        def test_expected():
            assert race() == 2

        @pytest.mark.xfail
        def test_passes():
            pass

        @pytest.mark.xfail(strict=True)
        def test_passes_and_must_not():
            race()
        """,
        "-rA",
        setup=RACE,
    )

    result.assert_outcomes(skipped=2, xfailed=1, xpassed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["?XPASS(strict)? *", "passed:", "  100 runs by strategy portfolio, *"]
    )


def test_classes_of_unittest_and_their_subtests(suite):
    result = suite(
        """
        import unittest

        @pytest.mark.simclock(runs=100)
        class Test(unittest.TestCase):
            made = []

            @classmethod
            def setUpClass(cls):
                cls.made.append("class")

            @classmethod
            def tearDownClass(cls):
                print("CLASS DOWN", cls.made.count("class"))

            def setUp(self):
                self.assertFalse(hasattr(self, "own"))
                self.own = True

            def tearDown(self):
                self.assertTrue(self.own)

            def test_passes(self):
                race()

            def test_race(self):
                self.assertEqual(race(), 2)
        """,
        setup=RACE,
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([FOUND, "again: pytest test_suite.py::Test::test_race *", "CLASS DOWN 1"])  # fmt: skip


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests from 9 on")
def test_subtests_are_reported_of_the_run_that_counts(suite):
    result = suite(
        """
        @pytest.mark.simclock(runs=100)
        def test(subtests):
            with subtests.test("good"):
                race()
            with subtests.test("bad"):
                assert race() == 2
        """,
        "-v",
        setup=RACE,
    )

    shown = [line.split()[1] for line in result.stdout.lines if "%]" in line]
    assert shown == ["SUBPASSED[good]", "SUBFAILED[bad]", "FAILED"]
    result.stdout.fnmatch_lines([FOUND, "contains 1 failed subtest"])


def test_coroutines_and_parameters(suite):
    result = suite(
        """
        import asyncio

        pytestmark = pytest.mark.simclock(runs=100)

        @pytest.fixture
        async def own():
            await asyncio.sleep(1)
            yield asyncio.get_running_loop()
            await asyncio.sleep(1)

        @pytest.mark.parametrize("expected", [[1, 2], [2]])
        async def test(own, sim, expected):
            assert asyncio.get_running_loop() is own
            assert 1.0 <= sim.elapsed < 2.0
            await asyncio.sleep(3600)
            assert race() in expected
        """,
        setup=RACE,
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([FOUND, "again: pytest 'test_suite.py::test?expected1?' *"])


def test_a_run_sees_nothing_of_those_before(suite):
    result = suite(
        """
        @pytest.mark.simclock(runs=20)
        def test(request, record_property):
            assert "a" not in dict(request.node.user_properties)
            assert len(list(request.node.iter_markers())) == 1
            record_property("a", 1)
            request.applymarker(pytest.mark.usefixtures())
            print("said")
            race()
        """,
        "-rP",
        setup=RACE,
    )

    result.assert_outcomes(passed=1)
    assert result.stdout.lines.count("said") == 1


def test_the_whole_suite_is_searched_each_test_in_simulations_of_its_own(suite):
    result = suite(
        """
        import simclock
        from hypothesis import given, settings, strategies

        runs = []

        def test_plain():
            runs.append(simclock.active())
            race()

        @settings(max_examples=3, database=None)
        @given(strategies.integers())
        def test_given(number):
            pass

        @pytest.mark.simclock(runs=1)
        def test_marked():
            assert len(runs) == len(set(map(id, runs))) == 6

        @pytest.mark.simclock(False)
        def test_real():
            assert simclock.active() is None
        """,
        "--simclock",
        "--simclock-runs=5",
        "--simclock-strategy=pct:depth=2",
        "--simclock-seed=3",
        setup=RACE,
    )

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "simclock: simulated time for the whole suite, seed 3, epoch *, runs 5, strategy pct:depth=2",
            "simclock: 1 test searched, 5 runs, *",
        ]
    )


def test_doctests_are_run_once(suite):
    result = suite(
        '''
        def function():
            """
            >>> import time; time.sleep(3600); len(str(function))> 3
            True
            """
        ''',
        "--simclock", "--simclock-runs=5", "--doctest-modules",
        setup=RACE,
    )  # fmt: skip

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_same_schedules_are_searched_in_workers_and_another_seed_has_others(suite, workers):
    first, second = (suite(LOST, workers, f"--simclock-seed={seed}", setup=RACE) for seed in (5, 6))

    for result in (first, second):
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([FOUND, "simclock: 1 test searched, *"])
    assert token_of(first) == token_of(suite(LOST, "--simclock-seed=5", setup=RACE))
    assert token_of(first) != token_of(second)


def test_durations_and_properties_are_those_of_all_runs(suite, pytester):
    result = suite(
        "@pytest.mark.simclock(runs=4, strategy='random')\ndef test():\n    race()\n    time.sleep(60)",
        "--durations=1",
        "--junitxml=report.xml",
        setup=RACE,
    )

    result.stdout.fnmatch_lines("simclock: 1 test in simulated time, 5 min 0 s of it in *")
    report = pytester.path.joinpath("report.xml").read_text()
    for said in ('tests="1"', 'name="simclock_runs" value="4"', 'name="simclock_distinct"'):
        assert said in report


def test_a_failure_comes_again_with_lf_and_ends_the_session_with_x(kept):
    text = LOST + "def test_after(): pass\n"
    kept(text, "-x").assert_outcomes(failed=1)

    kept(text, "--lf").assert_outcomes(failed=1)
    kept(text, "-k", "after").assert_outcomes(passed=1, deselected=1)


# --------------------------------------------------------------------- ended from outside


def test_ctrl_c_in_the_middle_of_a_search_tears_down_what_is_set_up(kept):
    result = kept(
        """
@pytest.fixture(scope="session")
def wide():
    yield
    print("wide is torn down")

@pytest.fixture
def own():
    yield
    print("own is torn down")

runs = []

@pytest.mark.simclock(runs=100)
def test(wide, own):
    runs.append(race())
    if len(runs) == 7:
        import os, signal
        print("interrupted")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
""",
        "-s",
        apart=True,
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    shown = [line for line in result.stdout.lines if "torn down" in line or line == "interrupted"]
    assert shown[-3:] == ["interrupted", "own is torn down", "wide is torn down"]
    assert result.stderr.lines == []


@pytest.mark.parametrize("place", ["in a run", "between two"])
def test_a_timeout_ends_the_search_and_is_not_repeated(suite, place):
    pytest.importorskip("pytest_timeout")
    conftest = """
        import pytest

        hung = []

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_makereport(item, call):
            if call.when == "teardown" and "between" in item.name:
                runs = item.module.runs
                if len(runs) == 4 and not hung:
                    hung.append(True)
                    while True:
                        pass
        """
    result = suite(
        f"""
        runs = []

        @pytest.mark.timeout(1, method="signal")
        @pytest.mark.simclock(runs=100)
        def test_{place.replace(" ", "_")}():
            runs.append(race())
            while len(runs) == 4 and {place == "in a run"}:
                pass

        def test_after():
            assert len(runs) == 4
        """,
        setup=RACE,
        conftest=conftest,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines("*Failed: Timeout (>1.0s) from pytest-timeout.")
    said = "run 3 of at most 100 was ended by a limit, and is not repeated"
    result.stdout.fnmatch_lines(said if place == "in a run" else "ended in run 3")


def test_what_a_limit_ends_is_a_failure_that_is_not_repeated(suite):
    result = suite(
        """
        runs = []

        @pytest.mark.simclock(runs=100, max_time=10)
        def test():
            runs.append(race())
            time.sleep(5 if len(runs) < 4 else 20)

        def test_after():
            assert len(runs) == 4
        """,
        setup=RACE,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["run * of at most 100 was ended by a limit*", "again: *", "failed:", "*limit reached: 10 virtual seconds*"])  # fmt: skip


def test_a_debugger_is_entered_once(suite):
    result = suite(
        LOST,
        setup=RACE,
        conftest="""
            def pytest_exception_interact(node, call, report):
                print("INTERACT", report.when, report.outcome)
            """,
    )

    result.assert_outcomes(failed=1)
    shown = "\n".join(result.stdout.lines)
    assert shown.count("INTERACT call failed") == 1


# ------------------------------------------------------------------------- what is told


def test_a_long_search_says_how_far_it_is(suite, monkeypatch):
    monkeypatch.setattr("simclock._explore.progress.EVERY", 0.0)
    result = suite(LOST.replace("assert", ""), "--simclock-budget=1e9", setup=RACE)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("simclock: 1 of 100 runs, 1 different, none failed, 0 s")


def test_shrinking_says_how_far_it_is(suite, monkeypatch):
    monkeypatch.setattr("simclock._explore.progress.EVERY", 0.0)
    result = suite(LOST, setup=RACE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["simclock: shrinking a failure, 1 run, 0 s", "*of them different, * s; * to shrink and*"]
    )


def test_a_search_in_which_a_foreign_thread_took_part_is_inconclusive(suite):
    result = suite(
        """
        import threading

        @pytest.mark.simclock(runs=3)
        def test(sim):
            lock = threading.Lock()
            owned, release = threading.Event(), threading.Event()
            def own():
                with lock:
                    owned.set()
                    time.sleep(0.05)
            with sim.real_time():
                thread = threading.Thread(target=own)
                thread.start()
                owned.wait()
            with lock:
                pass
            with sim.real_time():
                thread.join()
        """,
        setup=RACE,
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("*inconclusive: test_suite.py::test: *foreign thread*")


def test_a_run_that_fails_when_it_is_repeated_is_a_failure(suite):
    result = suite(
        """
        runs = []

        @pytest.mark.simclock(runs=10)
        def test():
            runs.append(1)
            assert len(runs) != 2
        """,
        setup=RACE,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["run 1 of at most 10 failed, *; reproduced 0/10", "*state that an earlier run has left*"])  # fmt: skip


def test_a_strategy_that_fails_is_named_and_not_repeated(suite):
    result = suite(
        """
        @pytest.mark.simclock(runs=10)
        def test():
            with pytest.raises(BaseException):
                race()

        def test_after(sim):
            race()
        """,
        setup=RACE,
        conftest="""
            import pytest
            from simclock._strategies.portfolio import Portfolio

            @pytest.fixture(autouse=True, scope="session")
            def broken():
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(Portfolio, "choose", lambda self, point: -1)
                    yield
            """,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines("*PluginError: the strategy 'portfolio' has chosen -1")


# ------------------------------------------------------------------------------ replay


def test_the_command_of_a_failure_replays_it_with_another_hash_seed(kept, pytester):
    found = kept(LOST.replace("def test():", "def test(sim):"))
    command = next(line for line in found.stdout.lines if line.startswith("again: "))
    words = shlex.split(command.removeprefix("again: "))
    assert words[0] == "pytest"

    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", *words],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=pytester.path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=False,
        )
        assert done.returncode == pytest.ExitCode.TESTS_FAILED
        assert "assert 1 == 2" in done.stdout
        assert "simclock: the run followed its schedule to the end" in done.stdout


@pytest.mark.parametrize("more", [[], ["--simclock", "--simclock-runs=100"], ["-n1"]])
def test_a_schedule_is_kept_in_a_file_that_replays_it(kept, more):
    text = LOST if "--simclock" not in more else LOST.partition("\n")[2]
    found = kept(text, *more)
    found.assert_outcomes(failed=1)
    path = re.search(r"is in (\S+\.json): --simclock-replay=", found.stdout.str()).group(1)
    with open(path, encoding="utf-8") as file:
        assert json.load(file)["token"] == token_of(found)

    again = kept(text, *more, f"--simclock-replay={path}")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(
        ["*assert 1 == 2", "replayed: the run followed its schedule to the end"]
    )
    if "-n1" not in more:
        again.stdout.fnmatch_lines("simclock: simulated time for *, seed 0, *a schedule replayed, strict")  # fmt: skip


def test_a_strict_replay_of_changed_code_names_where_it_differs(kept):
    token = token_of(kept(LOST))
    result = kept(
        LOST.replace("    assert", "    race()\n    assert"), f"--simclock-replay={token}"
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Divergence: the run does not follow its schedule, at *",
            "*expected: *",
            "*found: *",
            "replayed: the run first differs from its schedule at *: expected *, found *",
        ]
    )


def test_a_strict_replay_fails_also_if_the_test_swallows_the_error(kept):
    token = token_of(kept(LOST))
    text = "@pytest.mark.simclock(runs=100)\ndef test():\n    pass\n"

    kept(text, f"--simclock-replay={token}").assert_outcomes(failed=1)
    result = kept(text, f"--simclock-replay={token}", "--simclock-replay-mode=tolerant")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("simclock: the run first differs from its schedule at *, found the end of the run")  # fmt: skip


def test_a_replay_that_fails_earlier_says_how_far_it_came(kept):
    token = token_of(kept(LOST))
    text = LOST.replace("    assert", "    assert False\n    assert")
    result = kept(text, f"--simclock-replay={token}")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("replayed: the run followed its schedule for 0 of * choice points")


# ------------------------------------------------------------------------------- check


def test_a_check_finds_what_is_not_the_same_each_time(suite):
    result = suite(
        """
        runs = []

        @pytest.mark.simclock
        def test_different():
            runs.append(1)
            time.sleep(len(runs))

        @pytest.mark.simclock
        def test_same():
            race()

        @pytest.mark.simclock
        def test_fails():
            assert race() == 3
        """,
        "--simclock-check",
        setup=RACE,
    )

    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "simclock: simulated time for marked tests, seed 0, each test checked",
            "two runs of one schedule differ at step *",
            "likely source: *",
            "again: pytest test_suite.py::test_different --simclock-seed=0 --simclock-check",
            "again: pytest test_suite.py::test_fails --simclock-seed=0 --simclock-check",
        ]
    )


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--simclock-runs=0"], "*runs must be above 0: 0"),
        (["--simclock-runs=many"], ["*not a whole number: 'many'", "give one such as 1000"]),
        (["--simclock-strategy=luck"], "*unknown strategy: 'luck'"),
        (["--simclock-strategy=pct:width=2"], "*unknown option of the strategy 'pct': 'width=2'"),
        (["--simclock-fidelity=real"], "*unknown choice: 'real'"),
        (["--simclock-latency=-1"], "*latency is out of range: -1.0"),
        (["--simclock-budget=0"], "*budget must be above 0: 0.0"),
        (["--simclock-replay-mode=loose"], "*unknown choice: 'loose'"),
        (["--simclock-replay=nothing.json"], "*there is no such file, and this is no token of a schedule: 'nothing.json'"),
        (["--simclock-replay=s1.damaged"], "*this token of a schedule is damaged: 's1.damaged'*"),
        (["--simclock-replay=" + "s1." + "A" * 5000], "*this token of a schedule is damaged: *"),
        (["--simclock-replay=test_suite.py"], "*there is no token of a schedule in test_suite.py: *"),
        (["--simclock-replay=x", "--simclock-check"], "*--simclock-replay and --simclock-check exclude each other"),
    ],
)  # fmt: skip
def test_a_bad_option_ends_the_session(suite, arguments, said):
    result = suite(LOST, *arguments, setup=RACE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(said)


@pytest.mark.parametrize(
    "option", ["runs = 0", "strategy = luck", "fidelity = real", "latency = -1"]
)
def test_a_bad_line_in_the_ini_file_ends_the_session(suite, pytester, option):
    pytester.makeini(f"[pytest]\nsimclock_{option}")

    assert suite(LOST, setup=RACE).ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("runs=0", "simclock: runs must be above 0: 0"),
        ("runs='many'", "simclock: runs must be a whole number: 'many'"),
        ("runs=2, strategy='luck'", "simclock: unknown strategy: 'luck'"),
        ("strategy='luck'", "simclock: unknown strategy: 'luck'"),
        ("strategy=5", "simclock: this is no strategy: 5"),
        ("runs=2, fidelity='real'", "simclock: unknown choice: 'real'"),
        ("runs=2, latency='long'", "simclock: latency must be a number: 'long'"),
        ("runs=2, budget=0", "simclock: budget must be above 0: 0"),
    ],
)
def test_a_marker_with_a_bad_option_of_a_search_is_an_error_of_that_test(suite, options, said):
    result = suite(
        f"@pytest.mark.simclock({options})\ndef test(): pass\ndef test_after(): pass", setup=RACE
    )

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOST + LOST.replace("test()", "test_2()"), "2 of those selected are"),
        ("def test(): pass", "none of those selected is"),
    ],
)
def test_a_schedule_is_that_of_one_test(suite, text, said):
    token = token_of(suite(LOST, setup=RACE))
    result = suite(text, f"--simclock-replay={token}", setup=RACE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"ERROR: --simclock-replay is for one simulated test, and {said}",
            "name the test: pytest FILE::TEST --simclock-replay=TOKEN",
        ]
    )


def test_in_workers_each_test_says_that_a_schedule_is_that_of_one(suite):
    token = token_of(suite(LOST, setup=RACE))
    result = suite(LOST + LOST.replace("test()", "test_2()"), "-n2", f"--simclock-replay={token}", setup=RACE)  # fmt: skip

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines("--simclock-replay is for one simulated test, and 2 of those*")


RAISING = """
    import threading

    import pytest

    def raises():
        raise ValueError("out of a thread")

    def race():
        thread = threading.Thread(target=raises)
        thread.start()
        thread.join()
"""


def test_a_run_of_which_only_a_thread_raises_is_a_failure(suite):
    result = suite(
        """
        @pytest.mark.filterwarnings("default")
        @pytest.mark.simclock(runs=10)
        def test():
            race()

        @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
        @pytest.mark.simclock(runs=10)
        def test_that_may():
            race()
        """,
        setup=RAISING,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "ValueError in thread Thread-1 (raises)",
            "*ValueError: out of a thread",
            "run 1 of at most 10 failed, *",
            "FAILED test_suite.py::test - ValueError in thread Thread-1 (raises)",
        ]
    )

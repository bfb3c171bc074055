"""What a user sees of a suite is the same with simclock as without it.

Small suites of all kinds are run without the plugin, as a whole in simulated
time, and marked. What they print is compared, line by line.
"""

from __future__ import annotations

import difflib
import re
import sys

import pytest

SUITES = {}
ARGUMENTS = {}

# Registers the marker, for the run without the plugin, and marks everything or nothing.
MARKING = """
    import pytest

    def pytest_configure(config):
        config.addinivalue_line("markers", "simclock: also for those who do not have it")

    def pytest_collection_modifyitems(items):
        for item in items if {marked} else ():
            item.add_marker(pytest.mark.simclock)
"""


def add(name, text, *arguments):
    SUITES[name] = text
    ARGUMENTS[name] = arguments


add(
    "verdicts",
    """
    import pytest

    def test_passes(): pass

    def test_fails():
        left, right = {"a": [1, 2]}, {"a": [1, 3]}
        assert left == right, "they differ"

    @pytest.mark.skip(reason="not today")
    def test_is_skipped(): pass

    @pytest.mark.skipif("sys.version_info > (3,)", reason="old")
    def test_is_skipped_by_a_condition(): pass

    def test_skips():
        pytest.skip("inside")

    @pytest.mark.xfail(reason="known")
    def test_is_expected_to_fail():
        assert False

    @pytest.mark.xfail(strict=True, reason="thought so")
    def test_fails_because_it_passes(): pass

    @pytest.mark.xfail(raises=OSError)
    def test_fails_in_another_way():
        raise KeyError("other")

    @pytest.mark.xfail(run=False)
    def test_is_not_run():
        raise SystemExit

    def test_says_xfail():
        pytest.xfail("seen")

    def test_says_fail():
        pytest.fail("without a traceback", pytrace=False)

    def test_does_not_raise():
        with pytest.raises(ValueError):
            pass

    def test_raises_another_text():
        with pytest.raises(ValueError, match="this"):
            raise ValueError("that")

    def test_exits():
        raise SystemExit(3)

    @pytest.mark.parametrize(("number", "word"), [(1, "a"), pytest.param(2, "b", id="two")])
    def test_parametrised(number, word):
        assert number == 1

    def test_asks_for_an_unknown_fixture(unknown): pass

    def test_returns_a_value():
        return 1
    """,
    "-rA",
)

add(
    "fixtures",
    """
    import pytest

    def deeper():
        raise OSError(2, "no such thing")

    @pytest.fixture
    def no_set_up():
        deeper()

    @pytest.fixture
    def no_tear_down():
        yield
        deeper()

    @pytest.fixture
    def two_yields():
        yield
        yield

    @pytest.fixture(scope="class")
    def of_class(request):
        print("class up")
        yield request.cls.__name__
        print("class down")

    @pytest.fixture(scope="module")
    def of_module():
        print("module up")
        yield
        print("module down")
        raise ValueError("late")

    @pytest.fixture(scope="session", params=["x", "y"])
    def of_session(request):
        if request.param == "y":
            deeper()
        return request.param

    @pytest.fixture
    def finalized(request):
        request.addfinalizer(lambda: print("first added"))
        request.addfinalizer(deeper)
        request.addfinalizer(lambda: print("last added"))

    def test_no_set_up(no_set_up): pass
    def test_no_tear_down(no_tear_down): pass
    def test_two_yields(two_yields): pass
    def test_finalized(finalized): pass
    def test_both(no_tear_down):
        assert 0, "first"
    def test_session(of_session): pass

    class TestClass:
        def setup_class(cls): print("set-up of the class")
        def teardown_class(cls): deeper()
        def setup_method(self): print("set-up of a method")
        def teardown_method(self): print("teardown of a method")
        def test_one(self, of_class, of_module):
            assert of_class == "other"
        def test_two(self, of_class): pass

    class TestNoSetUp:
        def setup_class(cls): deeper()
        def test_one(self): pass
        def test_two(self): pass

    def teardown_module():
        print("teardown of the module")
        deeper()
    """,
)

add(
    "unittest",
    """
    import unittest

    def setUpModule():
        unittest.addModuleCleanup(print, "cleanup of the module")

    class TestCase(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.log = ["set up"]
            cls.addClassCleanup(cls.check)

        @classmethod
        def check(cls):
            print("class cleanup", cls.log)
            raise ValueError("in a class cleanup")

        def setUp(self):
            self.addCleanup(self.log.append, "cleaned")

        def test_passes(self):
            self.assertIn("set up", self.log)

        def test_fails(self):
            self.assertEqual([1, 2, 3], [1, 2, 4], "not the same")

        def test_raises(self):
            raise KeyError("key")

        def test_cleanup_raises(self):
            self.addCleanup(lambda: 1 / 0)

        def test_subtests(self):
            for number in range(4):
                with self.subTest("numbers", number=number):
                    self.assertNotEqual(number % 3, 1)
                    if number == 2:
                        self.skipTest("two")

        @unittest.expectedFailure
        def test_expected(self):
            self.fail("as expected")

        @unittest.expectedFailure
        def test_unexpected(self): pass

        @unittest.skip("for a reason")
        def test_skipped(self): pass

        def test_skips(self):
            self.skipTest("inside")

        def test_logs(self):
            with self.assertLogs("x", "ERROR"):
                pass

    class TestNoSetUp(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            raise OSError("no set-up")

        def test_one(self): pass
        def test_two(self): pass

    @unittest.skip("all of it")
    class TestSkipped(unittest.TestCase):
        def test(self): pass

    class TestAsync(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.addAsyncCleanup(self.clean)

        async def clean(self):
            print("cleaned")

        async def test_fails(self):
            import asyncio
            await asyncio.sleep(0.001)
            self.assertTrue(False)
    """,
    "-rA",
)

add(
    "doctests",
    '''
    """
    >>> 1 + 1
    2
    """

    def right():
        """
        >>> right()
        'right'
        """
        return "right"

    def wrong():
        """Say what is wrong.

        >>> wrong()
        'wrong'
        >>> 1 / 0
        Traceback (most recent call last):
        ZeroDivisionError: division by zero
        """
        return "right"

    def raises():
        """
        >>> raises()
        """
        raise KeyError("key")

    def skips():
        """
        >>> import pytest
        >>> pytest.skip("inside")
        """
    ''',
    "--doctest-modules",
    "--doctest-continue-on-failure",
)

add(
    "subtests",
    """
    import pytest

    def test_subtests(subtests):
        for number in range(5):
            with subtests.test("the number", number=number):
                print("number", number)
                if number == 3:
                    pytest.skip("three")
                if number == 4:
                    pytest.xfail("four")
                assert number % 2 == 0
        print("after them")

    def test_subtests_and_a_failure(subtests):
        with subtests.test():
            assert 0
        raise ValueError("outside")
    """,
    "-rA",
)

add(
    "exceptions",
    """
    import pytest

    class OfTheirs(Exception):
        def __str__(self):
            return "several\\nlines"

    def parse(text):
        try:
            return int(text)
        except ValueError as error:
            raise OfTheirs(text) from error

    def test_cause():
        parse("x")

    def test_context():
        try:
            parse("x")
        except OfTheirs:
            {}["missing"]

    def test_no_context():
        try:
            parse("x")
        except OfTheirs:
            raise KeyError("alone") from None

    def test_a_circle():
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    def test_endless():
        def endless():
            return endless()
        endless()

    def test_no_text():
        raise OfTheirs

    def test_hidden():
        def check():
            __tracebackhide__ = True
            assert 0, "checked"
        check()

    def test_through_a_library():
        import json
        json.loads("{")

    def test_compiled():
        exec(compile("def f():\\n    raise ValueError('made up')\\nf()", "<made up>", "exec"))

    def test_notes():
        error = ValueError("noted")
        error.__notes__ = ["a note"]
        raise error

    def test_re_raised():
        try:
            parse("y")
        except OfTheirs as error:
            kept = error
        raise kept
    """,
)

if sys.version_info >= (3, 11):
    add(
        "exception_groups",
        """
        import pytest

        def made(error):
            try:
                raise error
            except Exception as caught:
                return caught

        def test_group():
            raise ExceptionGroup("several", [
                made(ValueError("one")),
                ExceptionGroup("inner", [made(KeyError("two")), made(OSError("three"))]),
            ])

        def test_cause():
            try:
                test_group()
            except* ValueError as error:
                raise RuntimeError("after") from error

        async def fails(seconds):
            import asyncio
            await asyncio.sleep(seconds)
            raise ValueError(seconds)

        def test_task_group():
            import asyncio
            async def main():
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails(0))
                    group.create_task(fails(0.01))
            asyncio.run(main())
        """,
    )

add(
    "output",
    """
    import logging, os, sys
    import pytest

    log = logging.getLogger("theirs")

    @pytest.fixture
    def loud():
        print("set-up out")
        print("set-up err", file=sys.stderr)
        log.warning("set-up log")
        yield
        print("teardown out")
        log.error("teardown log")

    def test_loud(loud):
        print("out")
        os.write(2, b"err by number\\n")
        log.info("not shown")
        log.warning("log %d", 1)
        assert 0

    def test_capsys(capsys, loud):
        print("seen")
        assert capsys.readouterr() == ("set-up out\\nseen\\n", "set-up err\\n")
        print("not read")
        assert 0

    def test_capfd(capfd):
        os.write(1, b"seen")
        assert capfd.readouterr().out == "seen"
        with capfd.disabled():
            print("passes through")

    def test_caplog(caplog):
        caplog.set_level("DEBUG")
        log.debug("seen")
        assert caplog.record_tuples == [("theirs", 10, "other")]
    """,
    "--log-cli-level=WARNING",
)

add(
    "warnings",
    """
    import warnings
    import pytest

    def test_warns():
        warnings.warn("by a test")

    def test_deprecated():
        warnings.warn("old", DeprecationWarning)

    def test_recwarn(recwarn):
        warnings.warn("caught")
        assert [str(w.message) for w in recwarn] == ["other"]

    def test_no_warning():
        with pytest.warns(UserWarning):
            pass

    @pytest.mark.filterwarnings("error")
    def test_error():
        warnings.warn("fatal")

    @pytest.mark.filterwarnings("ignore")
    def test_ignored():
        warnings.warn("ignored")

    @pytest.fixture
    def warns():
        warnings.warn("in set-up")
        yield
        warnings.warn("in teardown")

    def test_fixture(warns): pass
    """,
)

add(
    "unhandled",
    """
    import gc, threading

    def fails():
        raise ValueError("in a thread")

    def test_thread():
        thread = threading.Thread(target=fails, name="theirs")
        thread.start()
        thread.join()

    class Unraisable:
        def __del__(self):
            raise ValueError("in __del__")

    def test_unraisable():
        Unraisable()

    def test_coroutine_never_awaited():
        async def never(): pass
        never()
    """,
)

add(
    "patched",
    """
    import datetime, os, threading, time, unittest.mock
    from unittest.mock import call, patch
    import pytest

    def test_sleep(monkeypatch):
        slept = []
        monkeypatch.setattr(time, "sleep", slept.append)
        time.sleep(5)
        monkeypatch.undo()
        time.sleep(0)
        assert slept == [5, 6]

    def test_time(monkeypatch):
        monkeypatch.setattr("time.time", lambda: 5.0)
        monkeypatch.setattr(time, "monotonic", iter([1.0, 2.0]).__next__)
        assert (time.time(), time.monotonic(), time.monotonic()) == (5.0, 1.0, 3.0)

    @patch("time.sleep")
    def test_mock(sleep):
        time.sleep(7)
        assert sleep.call_args_list == [call(8)]

    def test_wrapped():
        with patch("time.sleep", wraps=time.sleep) as sleep:
            time.sleep(0.001)
        sleep.assert_called_once_with(0.002)

    def test_raises():
        with patch.object(threading.Event, "wait", side_effect=OSError("patched")):
            threading.Event().wait()

    def test_subclass():
        with patch("datetime.datetime", autospec=True) as clock:
            clock.now.return_value = 3
            assert datetime.datetime.now() == 4

    def test_tmp_path(tmp_path, tmp_path_factory):
        tmp_path.joinpath("file").write_text("text")
        assert os.listdir(tmp_path) == ["other"]

    def test_environment(monkeypatch):
        monkeypatch.setenv("TZ", "UTC")
        monkeypatch.chdir("/")
        assert os.getcwd() == "?"
    """,
    "--basetemp=same",
)

add(
    "hypothesis",
    """
    import unittest
    from hypothesis import assume, given, note, reproduce_failure, settings, strategies as st

    settings.register_profile("same", derandomize=True, database=None, max_examples=20)
    settings.load_profile("same")

    def test_is_no_example(): pass

    @given(st.integers())
    def test_passes(number):
        assume(number != 3)

    @given(st.lists(st.integers()), st.data())
    def test_fails(numbers, data):
        note("a note")
        if len(numbers) > 2:
            assert data.draw(st.booleans())

    @given(st.integers())
    def test_fails_in_two_ways(number):
        if number > 100:
            raise ValueError("large")
        if number < -100:
            raise KeyError("small")

    @settings(deadline=None)
    @given(st.integers())
    def test_is_flaky(number, seen=[]):
        seen.append(number)
        assert len(seen) != 2

    class TestCase(unittest.TestCase):
        @given(st.text())
        def test_fails(self, text):
            self.assertEqual(text, "a")
    """,
)

# Where a simulation puts code of its own between the test and what it calls.
add(
    "redirected",
    """
    import asyncio, queue, select, socket, subprocess, threading, time
    from concurrent.futures import ThreadPoolExecutor, wait
    import pytest

    def test_sleep_of_a_word(): time.sleep("long")
    def test_sleep_backwards(): time.sleep(-1)
    def test_sleep_without(): time.sleep()
    def test_release(): threading.Lock().release()
    def test_release_of_rlock(): threading.RLock().release()
    def test_acquire(): threading.Lock().acquire(False, 5)
    def test_acquire_backwards(): threading.Lock().acquire(timeout=-2)
    def test_wait_without_the_lock(): threading.Condition().wait()
    def test_semaphore(): threading.BoundedSemaphore(1).release()
    def test_join_oneself(): threading.current_thread().join()
    def test_join_before_start(): threading.Thread(name="new").join()
    def test_barrier(): threading.Barrier(2).wait(0.01)
    def test_queue(): queue.Queue().get(timeout=0.01)
    def test_simple_queue(): queue.SimpleQueue().get(timeout=0.01)
    def test_queue_backwards(): queue.Queue().get(timeout=-1)
    def test_gmtime(): time.gmtime("x")
    def test_strftime(): time.strftime(1)
    def test_select(): select.select([], [], [-1])
    def test_poll(): select.poll().unregister(7)

    def test_start_twice():
        thread = threading.Thread(name="twice")
        thread.start()
        thread.start()

    def test_timeout_of_a_result():
        event = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            threading.Timer(0.03, event.set).start()
            pool.submit(event.wait).result(timeout=0.01)

    def test_error_in_a_pool():
        def work(number):
            return 1 // number
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, [1, 0]))

    def test_closed_pool():
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        pool.submit(int)

    def test_socket_times_out():
        ours, theirs = socket.socketpair()
        ours.settimeout(0.01)
        with ours, theirs:
            ours.recv(1)

    def test_asyncio_times_out():
        async def main():
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        asyncio.run(main())

    def test_asyncio_error():
        async def fails():
            await asyncio.sleep(0.01)
            raise LookupError("in a task")
        async def main():
            await asyncio.gather(fails(), asyncio.to_thread(time.sleep, 0.005))
        asyncio.run(main())

    def test_process_fails():
        subprocess.run(["false"], check=True)

    def test_process_times_out():
        subprocess.run(["sleep", "5"], timeout=0.05)
    """,
)

WORLDS = {
    "whole suite": (["--simclock"], False),
    "marker": ([], True),
}


@pytest.fixture
def shown(suite, plain_lines, monkeypatch):
    """Return a function that runs a suite and returns what a user sees of it, line by line."""
    # Else pytest breaks a list of arguments where what is left of a timeout has a digit more.
    monkeypatch.setenv("COLUMNS", "1000")

    def run(text, *arguments, marked=False):
        # Each run starts from the filters of ours otherwise, where warnings are errors.
        arguments = ["-Wdefault", *arguments]
        result = suite(text, *arguments, conftest=MARKING.format(marked=marked))
        return [*without_ours(plain_lines(result)), *result.stderr.lines, f"exit code {result.ret}"]

    return run


# What differs from run to run: the names of OS threads, what is left of a timeout.
# And how deep a recursion can go: simclock's frames are a few of those that Python allows.
VARIES = re.compile(r"\d{12,}|(?<=Task-)\d+|0\.04\d+|(?<=out of )\d+(?=\.$)")


def without_ours(lines):
    """Return *lines* without those that simclock adds, which the tests of reporting show."""
    kept = []
    section = False
    for line in lines:
        if line == "== simclock ==":
            section = True
        elif section and re.match("failed at virtual |held for what is outside: |again: ", line):
            pass
        elif not re.match("simclock: |plugins: |  test_suite.py::", line):
            section = False
            kept.append(VARIES.sub("N", re.sub(r" sim(_\w+)?,", "", line)))
    return kept


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", SUITES)
def test_suites_of_all_kinds_print_the_same(shown, name, world):
    more, marked = WORLDS[world]

    expected = shown(SUITES[name], *ARGUMENTS[name], "-p", "no:simclock")

    found = shown(SUITES[name], *ARGUMENTS[name], *more, marked=marked)
    assert "\n".join(difflib.unified_diff(expected, found, n=0, lineterm="")) == ""


MIXED = """
    import logging, time, warnings
    import pytest

    @pytest.fixture(scope="module", params=["tcp", "udp"])
    def server(request):
        warnings.warn("old")
        yield request.param
        print("server down")

    @pytest.fixture
    def client(server, tmp_path):
        time.sleep(0.01)
        yield server
        time.sleep(0.01)

    @pytest.fixture(scope="module")
    def broken(server):
        raise ConnectionError(server)

    def test_broken(broken): pass

    class TestClient:
        def test_passes(self, client): pass

        @pytest.mark.parametrize("size", [0, 1])
        def test_sends(self, client, size, capsys, monkeypatch):
            print("sends", size)
            logging.warning("log of %s", client)
            local = [size] * 3
            assert not size, f"{local}"

    @pytest.mark.skip(reason="slow")
    def test_slow(server): pass

    def test_last(client):
        try:
            {}["key"]
        except KeyError as error:
            raise OSError("lost") from error
    """

STYLES = {
    "short": ["--tb=short"],
    "native": ["--tb=native"],
    "line": ["--tb=line"],
    "none": ["--tb=no"],
    "long": ["--tb=long"],
    "locals": ["-l"],
    "verbose": ["-vv", "-rA"],
    "quiet": ["-q"],
    "very_quiet": ["-qq"],
    "first_failure": ["-x"],
    "second_failure": ["--maxfail=2"],
    "durations": ["--durations=3", "--durations-min=100"],
    "setup_show": ["--setup-show"],
    "setup_plan": ["--setup-plan"],
    "setup_only": ["--setup-only"],
    "collect_only": ["--collect-only"],
    "collect_only_quietly": ["--collect-only", "-q"],
    "selected": ["-k", "sends"],
    "deselected": ["--deselect=test_suite.py::TestClient"],
    "uncaptured": ["-s"],
    "fatal_warnings": ["-Werror"],
    "log_file": ["--log-cli-level=DEBUG", "--log-level=DEBUG"],
    "strict": ["--strict-markers", "--strict-config"],
    "timed": ["--timeout=60"],
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("style", STYLES)
def test_a_suite_prints_the_same_in_all_styles(shown, style, world):
    more, marked = WORLDS[world]

    expected = shown(MIXED, *STYLES[style], "-p", "no:simclock")

    found = shown(MIXED, *STYLES[style], *more, marked=marked)
    assert "\n".join(difflib.unified_diff(expected, found, n=0, lineterm="")) == ""

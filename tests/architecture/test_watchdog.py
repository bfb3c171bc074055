"""The suite's own watchdog: a hang costs one test, and shows where it hung."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a directory that is guarded as this suite is."""
    shutil.copy(CONFTEST, pytester.path)
    return pytester


# One session for all: each hang costs a worker, and starting those takes most of the time.
@pytest.mark.slow
@pytest.mark.hang_limit(300)
def test_each_hanging_test_fails_with_stacks_and_the_session_goes_on(suite):
    suite.makepyfile(
        """
        import re, signal, threading
        import pytest

        pytestmark = pytest.mark.hang_limit(4)  # with all that a new worker's first test imports

        lock = threading.Lock()
        lock.acquire()

        @pytest.fixture
        def hanging_setup():
            lock.acquire()

        @pytest.fixture
        def hanging_teardown():
            yield
            lock.acquire()

        def the_other_one():
            lock.acquire()

        def test_before(): pass
        def test_in_python():
            while True: pass
        def test_in_a_lock(): lock.acquire()
        def test_in_c_that_keeps_the_gil(): re.match("(a*)*b", "a" * 60)
        def test_with_signals_blocked():
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            lock.acquire()
        def test_between(): pass
        def test_of_another_thread():
            thread = threading.Thread(target=the_other_one, daemon=True)
            thread.start()
            thread.join()
        def test_in_setup(hanging_setup): pass
        def test_in_teardown(hanging_teardown): pass
        def test_after(): pass
        """
    )

    # By default xdist gives up after four crashes for each worker asked for.
    result = suite.runpytest_subprocess("-n", "1", "--max-worker-restart=20", timeout=240)

    # The one that hangs in its teardown had passed by then: it counts as both.
    result.assert_outcomes(passed=4, failed=7)
    for name in ("in_python", "in_a_lock", "in_c_that_keeps_the_gil", "with_signals_blocked"):
        result.stdout.fnmatch_lines([f"*crashed while running '*::test_{name}'*"])
        result.stderr.fnmatch_lines(["Timeout (0:00:04)!", f"*in test_{name}*"])
    result.stderr.fnmatch_lines(["*in the_other_one*"])
    result.stderr.fnmatch_lines(["*in test_of_another_thread*"])
    result.stderr.fnmatch_lines(["*in hanging_setup*"])
    result.stderr.fnmatch_lines(["*in hanging_teardown*"])


def test_without_workers_a_hang_ends_the_session_and_is_still_a_failure(suite):
    suite.makepyfile(
        """
        import threading
        import pytest

        def test_before(): pass  # the first one's set-up imports much, and may be slow

        @pytest.mark.hang_limit(2)
        def test_hangs():
            threading.Event().wait()
        """
    )

    result = suite.runpytest_subprocess("-p", "no:xdist", timeout=60)

    assert result.ret != 0
    result.stderr.fnmatch_lines(["Timeout (0:00:02)!", "*in test_hangs*"])


def test_an_interpreter_that_cannot_end_is_a_failure(suite):
    conftest = suite.path / "conftest.py"
    conftest.write_text(conftest.read_text().replace("HANG_LIMIT = 120.0", "HANG_LIMIT = 4.0"))
    suite.makepyfile(
        """
        import threading
        import pytest

        @pytest.mark.hang_limit(60)
        @pytest.mark.unclean("the subject of this test")
        def test_leaves_a_thread_that_never_ends():
            threading.Thread(target=threading.Event().wait).start()
        """
    )

    result = suite.runpytest_subprocess("-p", "no:xdist", timeout=60)

    result.assert_outcomes(passed=1)
    assert result.ret != 0
    result.stderr.fnmatch_lines(["Timeout (0:00:04)!", "*in _shutdown*"])


def test_tests_within_their_limit_are_left_alone(suite):
    suite.makepyfile(
        """
        import time
        import pytest

        def test_before(): pass  # the first one's set-up imports much, and may be slow

        @pytest.mark.hang_limit(3)
        @pytest.mark.parametrize("number", range(4))
        def test_takes_a_while(number):
            time.sleep(0.8)  # together more than the limit; each far below it, on a loaded machine too
        """
    )

    result = suite.runpytest_subprocess("-p", "no:xdist", timeout=60)

    result.assert_outcomes(passed=5)

"""Timelines of tests: which are written, where, and what is said of them."""

from __future__ import annotations

import json
import re

FAILING = """
    import time

    def test_fails(sim):
        time.sleep(90)
        assert False

    def test_passes(sim):
        time.sleep(1)

    def test_in_real_time():
        assert True
"""


def written(pytester, folder="."):
    """Return the data of each timeline in *folder*, by the title."""
    found = {}
    for path in (pytester.path / folder).rglob("*.html"):
        data = re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
        page = json.loads(data[1])
        found[page["title"]] = page
    return found


def said(result):
    return [line for line in result.stdout.lines if line.startswith("timeline: ")]


def test_a_failing_test_has_one_and_names_it(suite, pytester):
    result = suite(FAILING, "--simclock-timeline-dir=pages")

    (line,) = said(result)
    assert re.fullmatch(r"timeline: pages/test-suite-py--test-fails-[0-9a-f]{8}\.html", line)
    assert (pytester.path / line.removeprefix("timeline: ")).is_file()
    (page,) = written(pytester).values()
    assert page["title"] == "test_suite.py::test_fails"
    assert (page["verdict"], page["error"], page["elapsed"]) == (
        "failed",
        "AssertionError: assert False",
        90 * 10**9,
    )
    assert page["details"] == {"again": "pytest test_suite.py::test_fails --simclock-seed=0"}
    assert page["places"][0][3] == "time.sleep(90)"


def test_all_have_one_if_that_is_asked_for(suite, pytester):
    result = suite(FAILING, "--simclock-timeline=all", "--simclock-timeline-dir=pages", "-rP")

    assert len(said(result)) == 2
    assert {title: page["verdict"] for title, page in written(pytester).items()} == {
        "test_suite.py::test_fails": "failed",
        "test_suite.py::test_passes": "passed",
    }


def test_off_writes_none_and_watches_nothing(suite, pytester):
    result = suite(
        """
        def test(sim):
            assert sim._notes is None
            assert False
        """,
        "--simclock-timeline=off",
        "--simclock-timeline-dir=pages",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("E * assert False")
    assert said(result) == []
    assert written(pytester) == {}


def test_the_folder_is_in_the_cache_and_without_that_there_is_none(pytester):
    pytester.makepyfile(test_suite=FAILING)
    result = pytester.runpytest_inprocess("-p", "no:random-order")

    (line,) = said(result)
    assert line.startswith(
        "timeline: .pytest_cache/d/simclock-timelines/test-suite-py--test-fails-"
    )
    assert said(pytester.runpytest_inprocess("-p", "no:cacheprovider")) == []


def test_the_ini_file_can_choose(suite, pytester):
    pytester.makeini("[pytest]\nsimclock_timeline = all\nsimclock_timeline_dir = pages\n")
    suite(FAILING)

    assert len(written(pytester, "pages")) == 2


def test_what_the_ini_file_says_is_meant_from_the_root(suite, pytester, monkeypatch):
    pytester.makeini("[pytest]\nsimclock_timeline_dir = pages\n")
    pytester.makepyfile(test_suite="def test(sim):\n    assert False\n")
    (pytester.path / "here").mkdir()
    monkeypatch.chdir(pytester.path / "here")
    pytester.runpytest_inprocess("..")
    assert len(written(pytester, "pages")) == 1
    pytester.runpytest_inprocess("..", "--simclock-timeline-dir=typed")
    assert len(written(pytester, "here/typed")) == 1


def test_a_long_name_in_other_letters_has_one_too(suite, pytester):
    name = "é" * 110 + "試" * 60
    suite(f"def test_{name}(sim):\n    assert False\n", "--simclock-timeline-dir=pages")

    assert len(written(pytester, "pages")) == 1


def test_a_folder_that_cannot_be_written_is_told(suite, pytester):
    (pytester.path / "pages").write_text("a file", encoding="utf-8")
    result = suite(FAILING, "--simclock-timeline-dir=pages")

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines("no timeline: *File exists*")


def test_another_word_is_refused(suite):
    result = suite("def test(): pass", "--simclock-timeline=some")

    result.stderr.fnmatch_lines("*choose one of failed, all, off*")


def test_in_a_whole_suite_each_test_has_its_part(suite, pytester):
    suite(
        """
        import logging, threading, time

        def test_first():
            logging.warning("first")
            time.sleep(1)
            assert False

        def test_second():
            time.sleep(2)
            threading.Thread(target=logging.warning, args=("second",), name="worker").start()
            time.sleep(3)
            assert False
        """,
        "--simclock",
        "--simclock-timeline-dir=pages",
    )

    pages = written(pytester)
    first, second = (pages[f"test_suite.py::test_{name}"] for name in ("first", "second"))
    # With what the steps cost of tests that were written for real time.
    assert [page["elapsed"] // 10**6 for page in (first, second)] == [1000, 5000]
    assert first["first"] < second["first"]
    assert [log[5] for log in first["logs"]] == ["first"]
    assert [log[5] for log in second["logs"]] == ["second"]
    assert [lane["name"] for lane in second["lanes"]] == ["root", "worker"]


def test_a_searched_test_has_that_of_the_run_that_failed(suite, pytester):
    result = suite(
        """
        import queue, threading
        import pytest

        @pytest.mark.simclock(runs=100)
        def test_queue():
            items = queue.Queue()
            threading.Timer(1.0, items.put, ("item",)).start()
            items.get(timeout=1.0)
        """,
        "--simclock-timeline-dir=pages",
    )

    assert len(said(result)) == 1
    (page,) = written(pytester).values()
    (again,) = {line for line in result.stdout.lines if line.startswith("again: ")}
    assert page["details"]["again"] == again.removeprefix("again: ")
    assert page["verdict"] == "failed"
    assert page["error"] == "Empty"
    assert page["deviations"]
    assert page["places"]


def test_a_search_that_passes_has_that_of_its_last_run_if_all_are_wanted(suite, pytester):
    text = """
        import time
        import pytest

        @pytest.mark.simclock(runs=3)
        def test_nap(sim):
            time.sleep(1)
        """
    suite(text, "--simclock-timeline-dir=pages")
    assert written(pytester) == {}
    suite(text, "--simclock-timeline=all", "--simclock-timeline-dir=pages")

    (page,) = written(pytester).values()
    assert page["verdict"] == "passed"
    assert page["places"][0][3] == "time.sleep(1)"


def test_a_replay_and_a_check_have_theirs(suite, pytester):
    for option in ("--simclock-check", "--simclock-replay-mode=tolerant"):
        pytester.makepyfile(test_suite=FAILING)
        suite(FAILING, option, "--simclock-timeline-dir=pages", "-k", "fails")
        (page,) = written(pytester).values()
        assert page["error"] == "AssertionError: assert False"


def test_of_examples_the_last_one_is_shown(suite, pytester):
    suite(
        """
        import time
        import pytest
        from hypothesis import given, settings, strategies

        @pytest.mark.simclock
        @settings(database=None)
        @given(strategies.integers(0, 1000))
        def test_examples(number):
            time.sleep(number)
            assert number < 7
        """,
        "--simclock-timeline-dir=pages",
    )

    (page,) = written(pytester).values()
    assert page["elapsed"] == 7 * 10**9


def test_a_skipped_test_has_none(suite, pytester):
    result = suite(
        """
        import pytest

        def test_skips(sim):
            pytest.skip("today")
        """,
        "--simclock-timeline-dir=pages",
    )

    result.assert_outcomes(skipped=1)
    assert written(pytester) == {}


def test_the_page_asks_nothing_of_a_network_and_the_next_run_overwrites_it(suite, pytester):
    for _ in range(2):
        suite(FAILING, "--simclock-timeline-dir=pages")

    (path,) = (pytester.path / "pages").glob("*.html")
    text = path.read_text("utf-8")
    # A name of SVG is no place.
    places = re.findall(r"(?:https?:)?//[\w.]+\.(?:org|com|net|io)[\w./]*", text)
    assert set(places) <= {"http://www.w3.org/2000/svg"}
    assert (
        re.findall(r"\bsrc=|\bhref=\"(?!data:)|@import|\burl\(|fetch\(|XMLHttpRequest", text) == []
    )

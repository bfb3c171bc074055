"""Failing schedules are kept, and run first by the next search."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import threading
import time

import pytest

import simclock
from simclock._explore.choosing import settings_of
from simclock._explore.corpus import MOST, Corpus
from simclock._explore.files import file_name
from simclock._explore.search import Search

is_mended = False


def lost_update():
    box = [0]

    def add():
        before = box[0]
        time.sleep(0)
        box[0] = before + 1

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box == [2] or is_mended


@pytest.fixture
def mended(monkeypatch):
    def mend():
        monkeypatch.setattr(f"{__name__}.is_mended", True)

    return mend


@pytest.fixture
def corpus(tmp_path):
    complaints = []
    corpus = Corpus(tmp_path / "corpus", complaints.append)
    corpus.complaints = complaints
    return corpus


def explore(folder, **options):
    return simclock.explore(lost_update, corpus=folder, seed=4, **options)


def token(position):
    deviation = simclock.Schedule(0, "legal", 0, (), position)
    return deviation.token


def test_what_has_failed_is_run_first(tmp_path):
    first = explore(tmp_path / "corpus", strategy="random")
    second = explore(tmp_path / "corpus", strategy="canonical")

    assert first.verdict == second.verdict == "failed"
    assert second.failure.token == first.failure.token
    assert (second.failure.strategy, second.failure.run) == ("an earlier search", 1)
    assert second.failure.reproduced == 10
    kept = json.loads(next((tmp_path / "corpus").iterdir()).read_text())
    assert kept["token"] == first.failure.token
    assert set(kept) == {"token", "test", "python", "simclock"}


def test_what_passes_now_is_said_does_not_count_and_stays(tmp_path, mended):
    explore(tmp_path)
    mended()
    with_corpus = explore(tmp_path, runs=20)
    without = simclock.explore(lost_update, seed=4, runs=20)

    assert with_corpus.evidence.kept == 1
    assert "  1 schedule that has failed in earlier searches, and not now" in str(with_corpus)
    assert with_corpus.evidence._replace(seconds=0, kept=0) == without.evidence._replace(seconds=0)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_schedule_that_does_not_fit_is_followed_as_far_as_it_does(tmp_path, mended):
    name = f"{lost_update.__module__}:lost_update"
    Corpus(tmp_path, print).keep(name, token(1000))
    mended()

    assert explore(tmp_path, runs=5).verdict == "passed"


def test_before_the_parts_of_an_executor(tmp_path):
    class Never:
        def submit(self, *arguments):
            raise AssertionError

    explore(tmp_path)

    assert explore(tmp_path, executor=Never()).failure.strategy == "an earlier search"


def test_nothing_is_made_where_nothing_fails(tmp_path):
    report = simclock.explore(time.time, runs=3, corpus=tmp_path / "corpus")

    assert report.verdict == "passed"
    assert not (tmp_path / "corpus").exists()


def test_who_has_no_name_of_its_own_is_refused(tmp_path):
    with pytest.raises(TypeError, match="give a function that a module defines"):
        simclock.explore(lambda: None, corpus=tmp_path)


def test_the_newest_first_and_no_more_than_there_is_place_for(corpus, tmp_path):
    paths = []
    for number in range(MOST + 2):
        path = corpus.keep("test", token(number))
        os.utime(path, ns=(number, number))
        paths.append(path)

    kept = [schedule.points for schedule in corpus.schedules("test")]
    assert kept == list(range(MOST + 1, 1, -1))
    assert corpus.schedules("other") == []
    # What fails again is the newest.
    corpus.keep("test", token(3))
    assert corpus.schedules("test")[0].points == 3
    assert len(list((tmp_path / "corpus").iterdir())) == MOST


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"token": "s1.abc"}', '{"token": 3}', "\x00\xff"]
)
def test_a_damaged_file_is_told_and_stays(corpus, tmp_path, text):
    good = corpus.keep("test", token(1))
    bad = good.with_name(f"{file_name('test')}-bad.json")
    bad.write_bytes(text.encode("latin-1"))

    assert [schedule.points for schedule in corpus.schedules("test")] == [1]
    assert len(corpus.complaints) == 1
    assert str(bad) in corpus.complaints[0]
    for number in range(10):
        corpus.keep("test", token(number))
    assert bad.read_bytes() == text.encode("latin-1")


def test_a_damaged_file_is_a_warning_of_a_search(tmp_path, mended):
    mended()
    name = file_name(f"{lost_update.__module__}:lost_update")
    (tmp_path / f"{name}-bad.json").write_text("{")

    with pytest.warns(UserWarning, match="a kept schedule is left out, its file is damaged"):
        assert explore(tmp_path, runs=3).verdict == "passed"


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "file").touch()

    assert Corpus(tmp_path / "file", print).keep("test", token(1)) is None
    assert Corpus(tmp_path / "file", print).schedules("test") == []


def test_what_another_process_drops_meanwhile_is_left_out(corpus, monkeypatch):
    path = corpus.keep("test", token(1))
    with monkeypatch.context() as patch:
        patch.setattr("simclock._explore.files.read", lambda path: None)
        assert corpus.schedules("test") == []
        patch.setattr(type(path), "glob", lambda self, pattern: [path.with_name("gone.json")])
        assert corpus.schedules("test") == []
    assert corpus.complaints == []


def test_what_vanishes_takes_no_other_with_it(corpus, monkeypatch):
    path = corpus.keep("test", token(1))
    found = [path.with_name("gone.json"), path]
    monkeypatch.setattr(type(path), "glob", lambda self, pattern: found)

    assert [schedule.points for schedule in corpus.schedules("test")] == [1]


# ---------------------------------------------------------------- what a search might choose


def late_answer():
    """Fail where a thread is kept from running for 10 ms."""
    answers = queue.Queue()
    threading.Timer(0.05, answers.put, ["tea"]).start()
    with contextlib.suppress(queue.Empty):
        answers.get(timeout=0.06)
        return
    assert is_mended


async def order_of_tasks():
    """Fail where tasks run in another order than they were made in."""
    seen = []

    async def note(number):
        seen.append(number)

    await asyncio.gather(note(1), note(2))
    assert seen == [1, 2]


def test_what_only_chaos_does_fails_no_other_search(tmp_path):
    chaos = {"runs": 50, "corpus": tmp_path, "fidelity": "chaos"}
    found = simclock.explore(order_of_tasks, **chaos)
    legal = simclock.explore(order_of_tasks, runs=50, corpus=tmp_path)
    again = simclock.explore(order_of_tasks, **chaos)

    assert (found.verdict, legal.verdict, legal.evidence.kept) == ("failed", "passed", 0)
    assert again.failure.strategy == "an earlier search"


def test_what_only_a_longer_latency_does_fails_no_other_search(tmp_path):
    found = simclock.explore(late_answer, corpus=tmp_path, latency=0.2)
    short = simclock.explore(late_answer, corpus=tmp_path, latency=0.001, runs=50)
    longer = simclock.explore(late_answer, corpus=tmp_path, latency=0.3, strategy="canonical")

    assert (found.verdict, short.verdict, short.evidence.kept) == ("failed", "passed", 0)
    assert longer.failure.strategy == "an earlier search"


def test_what_is_legal_is_run_first_by_chaos_too(tmp_path):
    simclock.explore(lost_update, corpus=tmp_path)

    again = simclock.explore(lost_update, corpus=tmp_path, fidelity="chaos")
    assert again.failure.strategy == "an earlier search"


def test_one_that_a_limit_ends_has_not_passed(tmp_path, mended):
    explore(tmp_path)
    mended()
    report = explore(tmp_path, runs=5, max_steps=3)

    assert (report.verdict, report.evidence.kept) == ("inconclusive", 0)
    assert report.evidence.limits


def test_a_run_that_does_not_count_ends_the_first_ones(tmp_path):
    """As of a test that was skipped."""
    explore(tmp_path)
    (path,) = tmp_path.glob("*.json")
    test = json.loads(path.read_text(encoding="utf-8"))["test"]
    corpus = Corpus(tmp_path, pytest.fail)
    search = Search("random", settings_of())

    assert corpus.run_first(test, search, lambda _answers, _settings: None) is None
    assert search.kept == 0

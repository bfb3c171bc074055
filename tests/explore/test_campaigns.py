"""Searches in parts that are kept: taken up again after a crash, the result is the same."""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
from textwrap import dedent

import pytest

import simclock
from simclock._explore import program
from simclock._explore.campaign import PART, Campaign, Made, Part, merged, parts_of, prepare_folder
from simclock._explore.files import Damaged, file_name, read, set_aside, write
from simclock._explore.playing import Settings
from simclock._explore.resuming import name_of
from simclock._explore.search import Search
from simclock._explore.tally import Tally
from simclock.predicates import Predicate

calls = 0


def three_in_a_row():
    global calls  # noqa: PLW0603 - of this process
    calls += 1

    def work():
        for _ in range(3):
            time.sleep(0)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def made():
    """Return a function that searches, and returns the report and how many runs were made."""

    def search(scenario=three_in_a_row, **options):
        before = calls
        report = simclock.explore(scenario, **{"strategy": "random", "runs": 250, **options})
        return report, calls - before

    return search


def said(report):
    failure = report.failure
    return (
        report.verdict,
        failure and (failure.token, failure.run, failure.reproduced, str(failure.error)),
        report.evidence._replace(seconds=0, repeating=0),
    )


# ------------------------------------------------------------ one result, killed and resumed

PROGRAM = """
import os, signal, threading, time, zlib

def order():
    with open("runs.log", "ab", 0) as log:
        log.write(b".")
    seen = []
    def work(number):
        for _ in range(3):
            time.sleep(0)
            seen.append(number)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if os.path.exists("die") and os.path.getsize("runs.log") > 250:
        os.unlink("die")
        os.kill(os.getpid(), signal.SIGKILL)
    return seen

def passes():
    order()

def fails():
    assert zlib.crc32(bytes(order())) % 150
"""
MAIN = """
import concurrent.futures, contextlib, multiprocessing, os, sys
import simclock, program

@contextlib.contextmanager
def dask(workers):
    from distributed import Client, LocalCluster
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster, Client(cluster) as client:
        yield client.get_executor()

def processes(workers):
    return concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))

def said(how, **options):
    for scenario in (program.passes, program.fails):
        report = simclock.explore(scenario, runs=450, strategy="random", seed=2, **options)
        failure = report.failure
        print(how, report.verdict, report.evidence._replace(seconds=0, repeating=0),
              failure and (failure.token, failure.run, failure.reproduced), sep="; ")

if __name__ == "__main__":
    # Not a part of this file: that would be another program each time.
    exec(open("todo.txt").read())
"""


@pytest.fixture
def script(pytester):
    """Return a function that runs a script, and returns its lines without their first word."""
    pytester.makepyfile(program=PROGRAM)

    def run(text, *, dies=False):
        (pytester.path / "todo.txt").write_text(dedent(text))
        main = pytester.makepyfile(main=MAIN)
        done = pytester.runpython(main)
        assert (done.ret != 0) is dies
        return [line.partition("; ")[2] for line in done.outlines]

    return run


@pytest.mark.slow
def test_one_result_whoever_makes_the_parts(script):
    lines = script(
        """
        said("here", resume="here")
        said("again", resume="here")
        with processes(2) as pool:
            said("processes", executor=pool)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            said("threads", executor=pool)
        """
    )

    assert len(lines) == 8
    assert set(lines[::2]) == {lines[0]}
    assert set(lines[1::2]) == {lines[1]}
    assert lines[0].startswith("passed; Evidence(runs=450, ")
    assert lines[1].startswith("failed; ")


@pytest.mark.slow
def test_one_result_on_a_cluster_of_dask(script):
    lines = script(
        """
        said("here", resume="here")
        with dask(2) as cluster:
            said("dask", executor=cluster, resume="kept")
        """
    )

    assert len(lines) == 4
    assert set(lines[::2]) == {lines[0]}
    assert set(lines[1::2]) == {lines[1]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", ["resume='kept'", "resume='kept', executor=processes(2)"], ids=["here", "processes"]
)
def test_one_result_after_a_process_was_killed(script, pytester, options):
    log = pytester.path / "runs.log"
    whole = script("said('whole', resume='whole')")
    runs = log.stat().st_size
    log.unlink()
    (pytester.path / "die").touch()
    script(f"said('killed', {options})", dies=True)
    before = log.stat().st_size
    kept = list((pytester.path / "kept").glob("*/*.json"))

    assert script(f"said('resumed', {options})") == whole
    if "executor" not in options:
        assert len(kept) == 2
        # Lost is what there was of the third part.
        assert runs < log.stat().st_size <= runs + before - 2 * PART


# ------------------------------------------------------------------- what is made again


def test_what_is_kept_is_not_made_again(made, tmp_path):
    first, runs = made(resume=tmp_path / "kept")
    second, more = made(resume=str(tmp_path / "kept"))
    longer, rest = made(resume=tmp_path / "kept", runs=300)

    assert said(first) == said(second)
    assert (runs > 250, more) == (True, 0)
    # The last part was a shorter one.
    assert (longer.runs, 100 < rest < 110) == (300, True)
    assert said(longer) == said(made(resume=tmp_path / "other", runs=300)[0])


@pytest.mark.parametrize(
    "other",
    [{"strategy": "pos"}, {"seed": 1}, {"latency": 0}, {"fidelity": "chaos"}, {"max_time": 77}],
)
def test_another_search_makes_its_own(made, tmp_path, other):
    made(resume=tmp_path, runs=PART)

    assert made(resume=tmp_path, runs=PART, **other)[1] > 0
    assert made(resume=tmp_path, runs=PART)[1] == 0


@pytest.mark.parametrize("changed", ["python", "simclock", "installed", "hash seed"])
def test_in_other_surroundings_all_is_made_again(made, tmp_path, monkeypatch, changed):
    made(resume=tmp_path, runs=PART)
    other = {**program.surroundings(), changed: "other"}
    monkeypatch.setattr("simclock._explore.campaign.surroundings", lambda: other)

    assert made(resume=tmp_path, runs=PART)[1] > 0


def test_a_folder_of_something_else_is_refused(made, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ValueError, match="this is no folder of campaigns"):
        made(resume=tmp_path)
    with pytest.raises(ValueError, match="campaigns cannot be kept in"):
        made(resume=tmp_path / "mine.txt")


def test_an_instance_of_a_strategy_cannot_be_kept(made, tmp_path):
    class Mine(simclock.Strategy):
        name = "mine"

    with pytest.raises(TypeError, match="parts of a search cannot share a strategy"):
        made(resume=tmp_path, strategy=Mine())


def test_when_nothing_is_left_no_part_is_looked_for(made, tmp_path):
    first, _ = made(os.getpid, strategy="portfolio", resume=tmp_path)
    second, _ = made(os.getpid, strategy="portfolio", resume=tmp_path)

    assert (first.runs, first.exhausted) == (second.runs, second.exhausted) == (1, True)


def test_a_budget_that_is_spent_keeps_nothing(made, tmp_path):
    assert made(resume=tmp_path, budget=1e-9)[0].runs == 0
    assert made(resume=tmp_path)[0].runs == 250


def test_a_part_that_a_limit_has_cut_is_made_again(made, tmp_path):
    first, runs = made(resume=tmp_path, runs=PART, max_steps=20)
    second, more = made(resume=tmp_path, runs=PART, max_steps=20)

    assert first.verdict == "inconclusive"
    assert said(first) == said(second)
    assert runs == more


def test_a_search_of_everything_is_one_part(made):
    alone, _ = made(strategy="dfs", runs=250)
    settings = Settings("legal", 0, {})

    assert parts_of(Search("dfs", settings, runs=250)) == [Part(0, 250)]
    assert parts_of(Search("random", settings, runs=250)) == [
        Part(0, 100),
        Part(100, 100),
        Part(200, 50),
    ]
    assert not alone.exhausted


# ----------------------------------------------------------------------------- the files


def files_of(folder):
    return sorted(folder.glob("*/*.json"))


def test_a_damaged_part_is_told_and_set_aside(made, tmp_path):
    first, _ = made(resume=tmp_path)
    paths = files_of(tmp_path)
    for path, text in zip(paths, ["", "[]", '{"depends on": {}}'], strict=False):
        path.write_text(text)
    with pytest.warns(UserWarning, match="a part is made again, its file is damaged") as warned:
        second, _ = made(resume=tmp_path)

    assert len(warned) == 3
    assert said(first) == said(second)
    assert len(list(tmp_path.glob("*/*.damaged-1"))) == 3
    assert files_of(tmp_path) == paths


def test_a_part_with_other_words_in_it_is_damaged(made, tmp_path):
    made(resume=tmp_path, runs=PART)
    (path,) = files_of(tmp_path)
    data = json.loads(path.read_text())
    del data["made"]["tally"]["points"]
    path.write_text(json.dumps(data))

    with pytest.warns(UserWarning, match="KeyError"):
        made(resume=tmp_path, runs=PART)


def test_what_another_process_has_set_aside_already_is_not_told(tmp_path, monkeypatch):
    complaints = []
    campaign = Campaign(tmp_path, "test", {}, complaints.append)
    path = campaign._path(Part(0, 1))
    write(path, {})
    monkeypatch.setattr("simclock._explore.files.set_aside", lambda path: path.rename("/nowhere/x"))

    assert campaign.get(Part(0, 1)) is None
    assert complaints == []


def test_a_part_that_cannot_be_written_is_told(tmp_path):
    complaints = []
    (tmp_path / "file").touch()
    campaign = Campaign(tmp_path / "file", "test", {}, complaints.append)
    campaign.keep(Part(0, 0), Made(Tally(), None, False, 0.0), {})

    assert len(complaints) == 1
    assert complaints[0].startswith("runs 1-0 cannot be kept for another time: ")


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file.json"
    write(path, {"a": 1})
    with pytest.raises(TypeError):
        write(path, {"a": object()})

    assert read(path) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]
    assert read(tmp_path / "none.json") is None
    assert [set_aside(path).name, write(path, {}), set_aside(path).name] == [
        "file.json.damaged-1", None, "file.json.damaged-2",
    ]  # fmt: skip
    with pytest.raises(Damaged):
        read(tmp_path)


@pytest.mark.parametrize(
    "text", ["test_" + "試" * 300, "é" * 300, "\N{MATHEMATICAL BOLD SMALL A}" * 300]
)
def test_a_name_is_not_too_long_for_a_file(tmp_path, text):
    name = file_name(text)
    write(tmp_path / name / f"{name}-01234567.json", {})

    assert len(name.encode()) <= 109
    assert name != file_name(f"a{text}")


def test_a_folder_is_made_ready_by_several(tmp_path):
    for _ in range(2):
        prepare_folder(tmp_path / "new")

    assert [each.name for each in (tmp_path / "new").iterdir()] == ["simclock-campaigns.json"]


# --------------------------------------------------------------------------- the program


def test_a_file_that_changes_is_neither_what_it_was_nor_what_it_is(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("1")
    os.utime(path, ns=(0, 1))
    before = program.digest_of(str(path))
    assert program.unchanged({str(path): before})
    path.write_text("1 ")
    mixed = program.digest_of(str(path))
    program._seen.clear()
    os.utime(path, ns=(0, 2))
    after = program.digest_of(str(path))

    assert len({before, mixed, after, ""}) == 4
    assert not program.unchanged({str(path): before})
    path.unlink()
    assert program.digest_of(str(path)) == ""


def test_a_file_that_was_written_since_the_start_is_nobody_knows_what(tmp_path, monkeypatch):
    path = tmp_path / "module.py"
    path.write_text("1")
    ours = program.digest_of(str(path))
    again = program.digest_of(str(path))
    program._seen.clear()
    monkeypatch.setattr(program, "_OURS", "of another process")
    theirs = program.digest_of(str(path))
    program._seen.clear()
    os.utime(path, ns=(0, program.start_ns() - 1))
    old = program.digest_of(str(path))

    assert ours == again
    assert len({ours, theirs, old}) == 3


def test_where_no_proc_tells_a_process_starts_when_it_is_asked(tmp_path, monkeypatch):
    def nothing(self, **_):
        raise FileNotFoundError

    told = program.start_ns.__wrapped__()
    (tmp_path / "now").touch()
    now = (tmp_path / "now").stat().st_mtime_ns
    monkeypatch.setattr(program.Path, "read_text", nothing)
    asked = program.start_ns.__wrapped__()

    assert told < now <= asked


def test_what_is_edited_during_a_part_is_made_again(script, pytester):
    script("said('whole', resume='kept')")
    (pytester.path / "other.py").write_text("x = 1\n")
    # Edited by the program's first run, as by a hand; what is loaded is the old one.
    (pytester.path / "edited.py").write_text(
        "import other\n"
        "def scenario():\n"
        "    open('other.py', 'w').write('x = 1  # edited')\n"
        "    open('runs.log', 'a').write('.')\n"
    )
    text = "import edited; simclock.explore(edited.scenario, runs=3, resume='kept')"
    log = pytester.path / "runs.log"
    log.unlink()
    script(text)
    first = log.stat().st_size
    script(text)

    assert log.stat().st_size > first


def test_a_file_that_was_only_touched_is_what_it_was(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("1")
    before = program.digest_of(str(path))
    path.write_text("1")

    assert program.digest_of(str(path)) == before


def test_the_files_of_a_program_are_its_own():
    found = program.loaded_files(["more.txt"])

    assert __file__ in found
    assert found["more.txt"] == ""
    assert threading.__file__ not in found
    assert pytest.__file__ not in found


def test_what_two_processes_have_differently_is_the_program_of_neither():
    from simclock._explore.campaign import program_of

    assert program_of({"a": "1", "b": "1"}, {"a": "1", "b": "2"}).items() > {
        ("a", "1"),
        ("b", "different"),
    }


# --------------------------------------------------------------------------- what is found


def test_what_a_part_has_found_goes_through_json(made, programs):
    report, _ = made(programs.lost_update, runs=30)
    search = Search("random", Settings("legal", 0, {}), runs=30)
    search.tally.add_differences(["one", "other"])
    search.tally.covered = "all"
    search.failure = report.failure
    found = Made.of(search)
    again = Made.of_data(json.loads(json.dumps(found.data())))

    assert again.data() == found.data()
    assert again.failure._replace(error=None) == found.failure._replace(error=None)
    assert vars(again.tally).keys() == vars(found.tally).keys()
    assert again.tally.evidence(seconds=1, strategy="", fidelity="") == found.tally.evidence(
        seconds=1, strategy="", fidelity=""
    )
    assert pickle.loads(pickle.dumps(again)).data() == found.data()


class Wordless(Exception):
    def __str__(self):
        raise ValueError


def raises_wordless():
    raise Wordless


def test_an_error_without_words_is_kept_without(made, tmp_path):
    report, _ = made(raises_wordless, resume=tmp_path)

    assert report.verdict == "failed"
    assert isinstance(report.failure.error, Wordless)
    (path,) = files_of(tmp_path)
    assert "its text cannot be had: ValueError" in path.read_text()


@pytest.mark.parametrize("failure", [None, "failed"])
def test_what_a_cut_search_has_not_seen_says_nothing(made, programs, failure):
    tally = Tally()
    tally.predicates.update([Predicate("reachable", "the end", "shop.py", 1)])
    report, _ = made(programs.lost_update, runs=30)
    parts = [Part(0, 1), Part(1, 1)]
    found = {parts[0]: Made(tally, failure and report.failure, False, 1.0)}
    cut, _ = merged(found, parts, strategy="random", fidelity="legal")
    whole, _ = merged(found, parts[:1], strategy="random", fidelity="legal")

    assert (cut.evidence.is_cut, cut.evidence.unmet) == (True, ())
    assert whole.evidence.is_cut is bool(failure)


def test_parts_that_are_missing_are_told_and_certify_nothing():
    tally = Tally()
    tally.exhausted = True
    parts = [Part(0, 100), Part(100, 100)]
    report, counted = merged(
        {parts[1]: Made(tally, None, True, 1.0)}, parts, strategy="dfs", fidelity="legal"
    )

    assert (report.verdict, report.exhausted, counted) == ("inconclusive", False, 1)
    assert report.evidence.limits == ("runs 1-100 were not made",)


def test_a_first_run_that_fails_counts(made, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.is_cold", True)
    report, _ = made(fails_when_cold, resume=tmp_path)

    assert (report.verdict, report.runs, report.failure.run) == ("failed", 1, 1)
    assert report.failure.reproduced == 0


is_cold = False


def fails_when_cold():
    global is_cold
    was, is_cold = is_cold, False
    assert not was


def test_parts_that_are_all_there_are_one_verdict():
    parts = [Part(0, 1), Part(1, 1)]
    found = {part: Made(Tally(), None, False, 1.0) for part in parts}
    report, counted = merged(found, parts, strategy="random", fidelity="legal")

    assert (report.failure, counted, report.evidence.seconds, report.evidence.limits) == (
        None,
        2,
        2.0,
        (),
    )


def test_a_function_of_a_script_is_known_by_the_name_of_that(monkeypatch):
    def function():
        pass

    function.__module__, function.__qualname__ = "__main__", "function"
    monkeypatch.setattr(
        "sys.modules", {"__main__": type("Main", (), {"__file__": "/here/script.py"})}
    )

    assert name_of(function) == "script:function"

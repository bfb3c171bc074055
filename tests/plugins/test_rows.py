"""A plugin's rows are redirected like the built-in ones."""

from __future__ import annotations

import os
import threading
import time

import pytest

import simclock
from simclock._boundary import _native, rows, table
from simclock.lowlevel import Row, now_ns, originals, park_until


def slow(descriptor):
    """Take a tenth of a second for what `os.fsync` does."""
    park_until(now_ns() + 100_000_000, "the disk")
    return originals["posix.fsync"](descriptor)


SLOW_DISK = [Row("posix.fsync", "simulated", "takes 0.1 s", slow)]


def redirected():
    """Return what is redirected in a simulation, beyond the built-in rows."""
    with simclock.Simulation():
        names = set(_native.redirected())
    return sorted(
        names - {rows._find(row.name).__name__ for row in table.REDIRECTED if row.present}
    )


@pytest.fixture
def file(tmp_path):
    with (tmp_path / "file").open("w") as file:
        yield file


def test_simulated_threads_get_the_replacement_and_others_the_original(plug_in, file):
    plug_in(simclock_boundary_rows=lambda: SLOW_DISK)
    log = []

    def save(name):
        os.fsync(file)
        log.append((time.monotonic(), name))

    with simclock.Simulation() as sim:
        threads = [threading.Thread(target=save, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        save("main")
        with sim.real_time():
            os.fsync(file)

    assert log == [(1000.1, "a"), (1000.1, "b"), (1000.15, "main")]


def test_the_original_s_errors_are_the_caller_s(plug_in):
    plug_in(simclock_boundary_rows=lambda: SLOW_DISK)

    with simclock.Simulation() as sim:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fsync(987654)
        with pytest.raises(TypeError, match=r"fsync\(\)"):
            os.fsync()
        assert sim.elapsed == 0.1


def test_the_reason_is_in_the_trace(plug_in, file):
    plug_in(simclock_boundary_rows=lambda: SLOW_DISK)

    with simclock.Simulation() as sim:
        os.fsync(file)

    parks = [record.detail for record in sim.trace.records if record.kind == "park"]
    assert [detail.rpartition(":")[0] for detail in parks] == ["the disk test_rows.py"]


def test_a_plugin_is_asked_once_at_the_next_opening(plug_in):
    asked = []

    def give():
        asked.append(simclock.active())
        return SLOW_DISK

    with simclock.Simulation():
        plugin = plug_in(simclock_boundary_rows=give)
        with simclock.Simulation():
            assert "fsync" not in _native.redirected()
        assert asked == []
    assert [redirected(), redirected()] == [["fsync"], ["fsync"]]
    assert asked == [None]
    with simclock.Simulation():
        simclock.unregister(plugin)
        assert "fsync" in _native.redirected()
    assert [redirected(), redirected()] == [[], []]
    assert "posix.fsync" not in originals


def test_a_plugin_that_comes_again_is_redirected_again(plug_in, file):
    for seconds in (1, 2, 3):

        def slower(descriptor, seconds=seconds):
            park_until(now_ns() + seconds * 1_000_000_000, "the disk")

        plugin = plug_in(
            simclock_boundary_rows=lambda new=slower: [Row("posix.fsync", "simulated", "", new)]
        )
        with simclock.Simulation() as sim:
            os.fsync(file)
        assert sim.elapsed == seconds
        simclock.unregister(plugin)


def test_a_plugin_that_goes_and_comes_is_asked_again(plug_in):
    asked = []
    plugin = plug_in(simclock_boundary_rows=lambda: asked.append(1) or SLOW_DISK)
    redirected()
    simclock.unregister(plugin)
    simclock.register(plugin, "made up")

    assert redirected() == ["fsync"]
    assert asked == [1, 1]


def test_a_plugin_that_is_registered_by_another_s_hook_is_asked_at_the_next_opening(plug_in):
    def bring_another():
        plug_in("another", simclock_boundary_rows=lambda: SLOW_DISK)

    plug_in("first", simclock_boundary_rows=bring_another)

    assert [redirected(), redirected()] == [[], ["fsync"]]


def test_a_built_in_may_pass_from_one_plugin_to_another(plug_in, file):
    first = plug_in("first", simclock_boundary_rows=lambda: SLOW_DISK)
    redirected()
    plug_in(
        "second",
        simclock_boundary_rows=lambda: [Row("posix.fsync", "simulated", "", lambda file: "kept")],
    )
    simclock.unregister(first)

    with simclock.Simulation():
        assert os.fsync(file) == "kept"


def test_a_row_that_this_python_does_not_have_is_left_out(plug_in):
    plug_in(
        simclock_boundary_rows=lambda: [
            Row("posix.nonesuch", "simulated", "", print, until=(3, 10)),
            Row("posix.nonesuch", "held", ""),
        ]
    )

    assert redirected() == []


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            Row("time.sleep", "simulated", "", print),
            (
                "plugin 'greedy' cannot redirect time.sleep: plugin 'boundary' does already\n"
                "take the row out of one of them"
            ),
        ),
        (
            Row("posix.urandom", "simulated", "", print),
            (
                "plugin 'greedy': cannot redirect posix.urandom of Python *: cannot redirect "
                "<built-in function urandom> twice: it shares its definition\n"
                "mend the row, or unregister the plugin"
            ),
        ),
        (
            Row("os.makedirs", "simulated", "", print),
            (
                "plugin 'greedy': cannot redirect os.makedirs of Python *: cannot redirect "
                "<function makedirs at *>: neither a built-in function nor a method descriptor\n"
                "mend the row, or unregister the plugin"
            ),
        ),
        (
            Row("posix.nonesuch", "simulated", "", print),
            (
                "plugin 'greedy': cannot redirect posix.nonesuch of Python *: 'nonesuch'\n"
                "mend the row, or unregister the plugin"
            ),
        ),
        (
            Row("nonesuch.function", "simulated", "", print),
            (
                "plugin 'greedy' cannot redirect nonesuch.function: there is no module 'nonesuch'\n"
                "mend the row, or unregister the plugin"
            ),
        ),
        (
            "time.sleep",
            (
                "plugin 'greedy' returned 'time.sleep' from simclock_boundary_rows\n"
                "return a list of simclock.lowlevel.Row"
            ),
        ),
    ],
)
def test_a_row_that_cannot_be_is_refused_at_each_opening_and_takes_the_others_along(
    plug_in, row, text
):
    plugin = plug_in("greedy", simclock_boundary_rows=lambda: [*SLOW_DISK, row])

    for _ in range(2):
        with pytest.raises(simclock.PluginError) as caught, simclock.Simulation():
            pass
        pytest.LineMatcher(str(caught.value).splitlines()).fnmatch_lines(
            [line.replace("[", "[[]") for line in text.splitlines()], consecutive=True
        )
    assert "posix.fsync" not in originals
    simclock.unregister(plugin)
    assert redirected() == []


def test_two_plugins_that_want_one_built_in_are_both_named(plug_in):
    plug_in("first", simclock_boundary_rows=lambda: SLOW_DISK)
    plug_in("second", simclock_boundary_rows=lambda: SLOW_DISK)

    with (
        pytest.raises(
            simclock.PluginError,
            match=r"^plugin 'second' cannot redirect posix\.fsync: plugin 'first' does already\n",
        ),
        simclock.Simulation(),
    ):
        pass


def test_all_built_in_rows_come_through_the_hook(plug_in):
    simclock.run(int)

    assert sorted(originals) == sorted(row.name for row in table.REDIRECTED if row.present)

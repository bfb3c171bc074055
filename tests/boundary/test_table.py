"""The table of the boundary says what the code does, on the Python that runs this."""

from __future__ import annotations

import json
import subprocess
import sys
import types

import pytest

import simclock
from simclock._boundary import _native, rows
from simclock._boundary.table import HELD, REDIRECTED, ROWS, WALL_CLOCK

PRESENT = [row for row in ROWS if row.present]


def test_each_name_is_in_the_table_once():
    names = [row.name for row in ROWS]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("row", PRESENT, ids=lambda row: row.name)
def test_a_present_row_names_a_built_in_of_this_python(row):
    found = rows._find(row.name)

    assert isinstance(
        found,
        (types.BuiltinFunctionType, types.MethodDescriptorType, types.ClassMethodDescriptorType),
    )


@pytest.mark.parametrize(
    "row", [row for row in ROWS if not row.present] or [None], ids=lambda row: row and row.name
)
def test_a_row_that_is_not_present_names_nothing_here(row):
    if row is None:
        pytest.skip("this Python has every row")

    with pytest.raises((KeyError, AttributeError)):
        rows._find(row.name)


def test_a_row_is_redirected_if_it_has_a_replacement():
    assert [row.name for row in REDIRECTED if row.replacement is None] == []
    assert [row.name for row in (*WALL_CLOCK, *HELD) if row.replacement is not None] == []


def test_what_is_redirected_inside_is_what_the_table_says():
    expected = [rows._find(row.name).__name__ for row in REDIRECTED if row.present]

    with simclock.Simulation():
        inside = _native.redirected()

    assert sorted(inside) == sorted(expected)
    assert _native.redirected() == []


def test_no_row_redirects_new():
    # `__new__` of each type is one and the same definition: to redirect one would redirect all.
    assert [row.name for row in ROWS if row.name.endswith("__new__")] == []


def test_each_redirected_row_has_an_original_once_its_module_is_loaded():
    expected = sorted(row.name for row in REDIRECTED if row.present and rows._find(row.name))

    with simclock.Simulation():
        pass

    assert sorted(rows.originals) == expected


def test_a_status_is_one_of_three_and_each_row_has_a_note():
    assert {row.status for row in ROWS} <= {"simulated", "held", "escape"}
    assert [row.name for row in ROWS if not row.note] == []


def run_rows(*options: str) -> str:
    command = [sys.executable, "-m", "simclock", "rows", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_command_prints_the_table_for_machines():
    assert json.loads(run_rows("--json")) == [
        {"name": row.name, "status": row.status, "note": row.note} for row in PRESENT
    ]


def test_the_command_prints_the_table_for_people():
    lines = run_rows().splitlines()

    assert [line.split(maxsplit=2) for line in lines] == [
        [row.name, row.status, row.note] for row in PRESENT
    ]

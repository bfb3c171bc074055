"""Whose code a file is."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

import simclock
from simclock._core import places

OURS = Path(simclock.__file__).parent


@pytest.mark.parametrize(
    ("path", "is_users"),
    [
        ("/home/ann/shop/stock.py", True),
        ("<stdin>", True),
        (f"{OURS}/systems/rates/executors.py", True),
        (f"{OURS}/simulation.py", False),
        ("/home/ann/checkout/pytest_simclock/plugin.py", False),
        (f"{sysconfig.get_path('stdlib')}/queue.py", False),
        ("/venv/lib/python3/site-packages/requests/api.py", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_the_users_are_what_was_neither_installed_nor_simulates(path, is_users):
    assert places.is_users(path) is is_users
    assert places.is_users(path) is is_users  # and again, from what is known


def test_reports_name_files_without_their_folders():
    assert places.short("/home/ann/shop/stock.py") == "stock.py"
    assert places.short("<stdin>") == "<stdin>"

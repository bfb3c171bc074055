from __future__ import annotations

import sys

import pytest

import simclock
from simclock._boundary import activation, platforms, rows
from simclock._boundary.platforms import refusal

LINUX = {"free_threaded": False, "pollers": True, "platform": "linux"}


@pytest.mark.parametrize("minor", [10, 11, 12, 13])
def test_cpython_3_10_to_3_13_on_linux_is_covered(minor):
    assert refusal("cpython", (3, minor), **LINUX) is None


@pytest.mark.parametrize(
    ("implementation", "version", "changes", "text"),
    [
        (
            "pypy",
            (3, 11),
            {},
            "this interpreter is pypy: only CPython has method definitions to redirect",
        ),
        (
            "cpython",
            (3, 13),
            {"free_threaded": True},
            "this is a free-threaded build: the redirection relies on the GIL",
        ),
        ("cpython", (3, 9), {}, "this is Python 3.9: 3.10 to 3.13 are covered"),
        ("cpython", (3, 14), {}, "this is Python 3.14: 3.10 to 3.13 are covered"),
        ("cpython", (4, 0), {}, "this is Python 4.0: 3.10 to 3.13 are covered"),
        (
            "cpython",
            (3, 12),
            {"pollers": False, "platform": "darwin"},
            "this platform is darwin: its pollers are not covered, only Linux's epoll is",
        ),
    ],
)
def test_anything_else_is_refused_by_name(implementation, version, changes, text):
    assert refusal(implementation, version, **{**LINUX, **changes}) == text


def test_it_is_refused_when_the_first_simulation_is_opened(monkeypatch):
    monkeypatch.setattr(activation, "_prepared", False)
    monkeypatch.setattr(platforms, "NEWEST", (3, 9))
    with pytest.raises(simclock.Unsupported) as caught:
        simclock.run(int)
    assert str(caught.value) == (
        f"cannot simulate: this is Python 3.{sys.version_info[1]}: 3.10 to 3.13 are covered\n"
        "run these tests with CPython 3.10 to 3.13 on Linux"
    )
    assert isinstance(caught.value, RuntimeError)
    assert simclock.active() is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("_thread.nonesuch", "'nonesuch'"),
        ("threading.Thread.start", "neither a built-in function nor a method descriptor"),
        ("time.sleep", "it shares its definition"),
    ],
)
def test_a_builtin_that_cannot_be_redirected_is_named(name, reason):
    assert simclock.run(int) == 0
    row = rows.Row(name, "simulated", "", print)
    with pytest.raises(simclock.Unsupported) as caught:
        rows.redirect([row])
    first, last = str(caught.value).splitlines()
    version = ".".join(map(str, sys.version_info[:3]))
    assert first.startswith(f"cannot redirect {name} of Python {version}: ")
    assert reason in first
    assert last == "use a Python version that simclock supports, or report this line"

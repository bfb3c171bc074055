"""``docs/reference/api.txt`` lists what is public, and nothing there changes unnoticed."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import simclock

ROOT = Path(__file__).parents[2]
LISTING = ROOT / "docs" / "reference" / "api.txt"


def test_who_is_not_installed_has_no_version(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)

    assert not hasattr(simclock, "__version__")


@pytest.fixture
def listed(tool, tmp_path, monkeypatch):
    """Return a function that lists a made-up module, which is a part of simclock."""

    def lines(source):
        (tmp_path / "made_up.py").write_text(
            "from __future__ import annotations\n" + textwrap.dedent(source)
        )
        monkeypatch.setattr(simclock, "__path__", [str(tmp_path)])
        importlib.invalidate_caches()
        api = tool("api")
        modules = {**api.public_modules(), "simclock.errors": simclock.errors}
        module = modules.pop("simclock.made_up")
        return [line for name in api.names_of(module) for line in api.entry(module, name, modules)]

    yield lines
    sys.modules.pop("simclock.made_up", None)
    vars(simclock).pop("made_up", None)


def test_the_committed_list_is_what_there_is():
    # Elsewhere: it imports everything.
    done = subprocess.run(
        [sys.executable, "-m", "tools.api", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_list_that_is_not_up_to_date_is_told_with_what_to_do(tool, tmp_path, monkeypatch, capsys):
    api = tool("api")
    monkeypatch.setattr(api, "listing", lambda: "simclock\n    def run() -> int\n")
    monkeypatch.setattr(api, "LISTING", tmp_path / "api.txt")
    monkeypatch.setattr(sys, "argv", ["api", "--write"])
    api.main()
    monkeypatch.setattr(api, "listing", lambda: "simclock\n    def run() -> str\n")
    monkeypatch.setattr(sys, "argv", ["api", "--check"])

    with pytest.raises(SystemExit, match=r"is not what .* says\nrun ./dev api --write"):
        api.main()

    shown = capsys.readouterr().out.splitlines()
    assert "-    def run() -> int" in shown
    assert "+    def run() -> str" in shown


def test_each_system_and_each_public_name_of_simclock_is_listed():
    blocks = LISTING.read_text().split("\n\n")
    names = {block.partition("\n")[0]: block for block in blocks}
    systems = {
        f"simclock.systems.{path.parent.name}"
        for path in (ROOT / "src" / "simclock" / "systems").glob("[!_]*/__init__.py")
        if "__all__" in path.read_text()
    }

    assert systems <= names.keys()
    for name in simclock.__all__:
        assert f" {name}(" in names["simclock"] or f" {name}" in names["simclock"]


def test_a_class_has_its_own_members_and_those_of_private_bases(listed):
    assert listed('''
        import asyncio

        __all__ = ["Shop"]

        class _Base(asyncio.Event):
            def close(self) -> None: ...
            def _hide(self) -> None: ...

        class Shop(_Base):
            """A shop.

            Attributes:
                name: What it is called.
                stock: How much there is.
            """

            limit: int = 3

            def __init__(self, name: str, *, when: object = asyncio) -> None:
                self.name = name
                self.stock: dict[str, int] = {}

            def __len__(self) -> int: ...
            @property
            def is_open(self) -> bool: ...
            @classmethod
            def parse(cls, text: str = "x") -> Shop: ...
            async def wait_closed(self) -> None: ...
    ''') == [
        "class Shop(_Base)",
        "    def __init__(self, name: str, *, when: object = ...) -> None",
        "    def __len__(self) -> int",
        "    def close(self) -> None",
        "    is_open: bool (property)",
        "    limit: int",
        "    name: str",
        "    @classmethod def parse(cls, text: str = 'x') -> Shop",
        "    stock: dict[str, int]",
        "    async def wait_closed(self) -> None",
    ]  # fmt: skip


def test_tuples_enumerations_protocols_and_errors(listed):
    assert listed('''
        import enum
        from typing import NamedTuple, Protocol

        __all__ = ["Colour", "Point", "Shape", "Wrong"]

        class Colour(enum.Enum):
            RED = 1

        class Point(NamedTuple):
            x: int
            y: int = 2

        class Shape(Protocol):
            def area(self, colour: Colour = Colour.RED) -> float: ...

        class Wrong(ValueError):
            """It is wrong."""
    ''') == [
        "class Colour(Enum)",
        "    RED (member)",
        "class Point(NamedTuple)",
        "    def __init__(self, x: int, y: int = 2)",
        "    x: int",
        "    y: int",
        "class Shape(Protocol)",
        "    def area(self, colour: Colour = Colour.RED) -> float",
        "class Wrong(ValueError)",
    ]  # fmt: skip


def test_functions_constants_aliases_and_what_is_at_home_elsewhere(listed):
    assert listed("""
        import time
        from collections.abc import Callable

        from simclock.errors import Deadlock

        __all__ = ["Callback", "Deadlock", "LIMIT", "now", "order"]

        Callback = Callable[..., None]
        LIMIT: float = 3.0
        now = time.monotonic

        def order(name: str, /, *rest: int, then: Callback | None = None, **more: object): ...
    """) == [
        "Callback (type alias)",
        "Deadlock = simclock.errors.Deadlock",
        "LIMIT: float",
        "def now(...)",
        "def order(name: str, /, *rest: int, then: Callback | None = None, **more: object)",
    ]  # fmt: skip


def test_a_module_without_all_is_not_public(listed):
    with pytest.raises(KeyError, match="made_up"):
        listed("def order(): ...")

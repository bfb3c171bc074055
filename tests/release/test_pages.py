"""The pages about platforms and releases say what the configuration does."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "pyproject.toml").read_text()
PLATFORMS = (ROOT / "docs" / "reference" / "platforms.md").read_text()
RELEASE = (ROOT / "docs" / "how-to" / "release.md").read_text()
COMMANDS = [line.strip() for line in re.findall(r"^ {7}(\S.*)$", RELEASE, re.MULTILINE)]
CLASSIFIERS = importlib.metadata.metadata("simclock").get_all("Classifier") or []


def test_there_is_a_wheel_for_each_python_that_is_supported():
    supported = [
        one.rpartition(".")[2]
        for one in CLASSIFIERS
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", one)
    ]
    (built,) = re.findall(r'^build = "(.*)"$', CONFIGURATION, re.MULTILINE)

    assert built.split() == [f"cp3{minor}-*" for minor in supported]
    assert f"CPython 3.{supported[0]} to 3.{supported[-1]} | supported" in PLATFORMS


def test_the_page_names_the_processors_that_wheels_are_for():
    (archs,) = re.findall(r"^archs = \[(.*)\]$", CONFIGURATION, re.MULTILINE)

    for arch in re.findall(r"\w+", archs):
        assert f'manylinux-{arch}-image = "manylinux_2_28"' in CONFIGURATION
        assert f"Linux, {arch}, glibc 2.28 or newer" in PLATFORMS


def test_what_is_in_no_wheel_is_called_unverified_or_unsupported():
    assert 'skip = "*-musllinux_*"' in CONFIGURATION
    assert re.search(r"musl \(Alpine\).*\| unverified:", PLATFORMS)
    for system in ("macOS, BSD", "Windows"):
        assert re.search(rf"^\| {system} \| unsupported", PLATFORMS, re.MULTILINE)
    assert [one for one in CLASSIFIERS if one.startswith("Operating System")] == [
        "Operating System :: POSIX :: Linux"
    ]


def test_what_the_page_asks_for_is_what_the_c_part_needs():
    source = (ROOT / "src" / "simclock" / "_boundary" / "_native.c").read_text()

    assert "#include <sys/eventfd.h>" in source


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_a_release_is_there(command):
    known = subprocess.run(
        [ROOT / "dev", "help"], capture_output=True, text=True, check=True
    ).stdout
    program, *arguments = command.split()

    if program == "./dev":
        assert f"  {arguments[0]} " in known
    elif program.startswith(".venv/bin/"):
        assert f'"{program.removeprefix(".venv/bin/")}>=' in CONFIGURATION
    elif program == "bash":
        assert (ROOT / arguments[0]).exists() or not (ROOT / ".git").exists()
    elif program == "pipx":
        assert f'"{arguments[1]}>=' in CONFIGURATION
    else:
        assert program in {"git", "rm"}


def test_there_are_commands():
    assert "./dev package dist" in COMMANDS
    assert len(COMMANDS) >= 10

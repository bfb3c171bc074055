"""A made-up published project: its archive lies in the cache already, so nothing is fetched."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import threading, time, unittest, pytest

def test_waits():
    began = time.monotonic()
    time.sleep({wait})
    assert time.monotonic() > began

def test_thread():
    done = []
    thread = threading.Timer(0.01, done.append, [1])
    thread.start()
    thread.join()
    assert done == [1]

class TestClass(unittest.TestCase):
    def test_skipped(self):
        self.skipTest("not here")

@pytest.mark.xfail
def test_known():
    assert False

def test_left_out():
    assert False
"""


@pytest.fixture
def tool(modules_of):
    """The tool's modules."""
    return modules_of("tools.compat", "comparing", "fetching", "page", "project", "running")


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def publish(tool, cache):
    """Return a function that makes a project of the given files, its archive in the cache."""

    def publish(files=None, members=(), **fields):
        files = {"test_it.py": TESTS.format(wait=0.3)} if files is None else files
        archive = cache / "tiny-1.0.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            for name, text in files.items():
                data = text.encode()
                member = tarfile.TarInfo(f"tiny-1.0/{name}")
                member.size = len(data)
                packed.addfile(member, io.BytesIO(data))
            for member in members:
                packed.addfile(member)
        defaults = {
            "name": "tiny",
            "version": "1.0",
            "license": "MIT",
            "archive": archive.name,
            "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "files": tuple(name for name in files if name.startswith("test")),
            "about": "A made-up project",
        }
        return tool.project.Project(**{**defaults, **fields})

    return publish

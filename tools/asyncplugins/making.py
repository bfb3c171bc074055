"""Make the virtual environments, each only once for each Python, by pip."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.asyncplugins.environments import Environment, Version

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = "[pytest,trio,freezegun,hypothesis]"
ASK_PYTHON = (
    "import json, sys; print(json.dumps([sys.version_info[:2], sys.version, sys.base_prefix]))"
)
ASK_VERSIONS = """
import importlib.metadata, sys
for name in sys.argv[1:]:
    print(name, importlib.metadata.version(name))
"""


class CannotRunError(Exception):
    """An environment cannot be made, or the suite cannot be run in it."""


@dataclass(frozen=True)
class Python:
    """An interpreter to make environments with.

    Attributes:
        executable: How it is started.
        version: The first two numbers of its version.
        identity: What tells it from another one.
    """

    executable: str
    version: Version
    identity: str


def find_python(executable: str) -> Python:
    """Ask the interpreter who it is."""
    command = [executable, "-c", ASK_PYTHON]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRunError(f"not a Python that runs: {executable}\n  {error}") from error
    (major, minor), *identity = json.loads(done.stdout)
    return Python(executable, (major, minor), " ".join(identity))


def make(environment: Environment, python: Python, cache: Path, sdist: Path | None) -> Path:
    """Return the folder of the environment, making it unless it is as it would be made now.

    It has simclock from the source distribution *sdist*, or from this checkout, editable: then only
    what is compiled makes a difference.
    """
    version = ".".join(map(str, python.version))
    folder = cache / f"{environment.name}-{version}"
    made_from = folder / "made-from"
    wanted = "\n".join((python.identity, *environment.pins, _fingerprint(sdist), ""))
    if made_from.exists() and made_from.read_text(encoding="utf-8") == wanted:
        return folder
    _prepare(cache)
    shutil.rmtree(folder, ignore_errors=True)
    _run(python.executable, "-m", "venv", str(folder))
    simclock = ("--editable", f"{ROOT}{EXTRAS}") if sdist is None else (f"{sdist}{EXTRAS}",)
    _run(
        str(folder / "bin" / "python"),
        *("-m", "pip", "install", "-qq", "--disable-pip-version-check", "--retries=2"),
        *simclock,
        *environment.pins,
    )
    made_from.write_text(wanted, encoding="utf-8")
    return folder


def versions(folder: Path, names: tuple[str, ...]) -> str:
    """Return the installed versions of *names*, for a person."""
    found = _run(str(folder / "bin" / "python"), "-c", ASK_VERSIONS, *names)
    return ", ".join(found.splitlines())


def _fingerprint(sdist: Path | None) -> str:
    if sdist is not None:
        parts = [sdist]
    else:
        native = ROOT / "src" / "simclock" / "_boundary"
        parts = [ROOT / "pyproject.toml", ROOT / "setup.py", *sorted(native.glob("*.[ch]"))]
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


def _prepare(cache: Path) -> None:
    """Make the folder for environments, invisible to version control."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n", encoding="utf-8")


def _run(*command: str) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        evidence = "\n".join(f"  {line}" for line in done.stderr.strip().splitlines()[-12:])
        raise CannotRunError(
            f"failed with exit status {done.returncode}: {' '.join(command)}\n{evidence}\n"
            "check the network and the index (python -m pip config list), then run again"
        )
    return done.stdout

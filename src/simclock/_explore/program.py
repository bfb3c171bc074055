"""Which program a result is of: the files that were loaded, and all that is installed."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import site
import sys
import sysconfig
import tempfile
import uuid
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# In the digest of a file of which nobody knows what was loaded: no other process has the same.
_OURS = uuid.uuid4().hex


# What was written within so many nanoseconds of the start is what was loaded: no Python has loaded
# a program before, and the start is only known to some hundredths of a second.
SOON_NS = 100_000_000


class _Seen(NamedTuple):
    """A file as it was when it was last looked at.

    Attributes:
        stamp: Tells quickly whether it has changed.
        content: The digest of what was in it.
        digest: What it counts as.
    """

    stamp: tuple[int, int]
    content: str
    digest: str


# By path.
_seen: dict[str, _Seen] = {}


def loaded_files(more: Iterable[str | Path] = ()) -> dict[str, str]:
    """Return the digests of the files that this process has loaded, and of *more*, by path.

    Not those of the standard library and of installed distributions: `surroundings` has these.
    """
    found = {str(each) for each in more}
    for module in list(sys.modules.values()):
        path = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(path, str) and not path.startswith(_installed()):
            found.add(str(Path(path).absolute()))
    return {path: digest_of(path) for path in sorted(found)}


def unchanged(files: dict[str, str]) -> bool:
    """Return whether all these files are what they were."""
    return all(digest_of(path) == digest for path, digest in files.items())


def digest_of(path: str) -> str:
    """Return the digest of a file; of one that is not there, nothing.

    Of a file that has changed since this process has first seen it nobody knows which of the two
    was loaded: it counts as neither. So does one that was written since this process has started,
    and is first seen now.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - often, and for one thing
        stamp = status.st_mtime_ns, status.st_size
        known = _seen.get(path)
        if known is not None and known.stamp == stamp:
            return known.digest
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""
    if known is not None and known.content == content:
        digest = known.digest
    elif known is not None or status.st_mtime_ns > start_ns() + SOON_NS:
        digest = hashlib.sha256(f"{_OURS} {os.getpid()} {content}".encode()).hexdigest()
    else:
        digest = content
    _seen[path] = _Seen(stamp, content, digest)
    return digest


@functools.cache
def start_ns() -> int:
    """Return when this process has started, by the clock of files, in nanoseconds.

    Where no ``/proc`` tells: when this is first asked.
    """
    # No other clock is sure to be the real one, and the files' own.
    with tempfile.TemporaryFile() as file:
        now = os.fstat(file.fileno()).st_mtime_ns
    try:
        uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        # What comes first is a name, which may have spaces.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        # The end of that tick: no Python is as quick as to have loaded anything before.
        age = uptime - (int(fields[19]) + 1) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now
    return min(now, now - int(age * 1e9))


@functools.cache
def surroundings() -> dict[str, str]:
    """Return what a run depends on besides the program: the Python, and all that is installed."""
    installed = sorted({f"{each.name}=={each.version}" for each in metadata.distributions()})
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{sys.platform} {platform.machine()}",
        "simclock": metadata.version("simclock"),
        "installed": hashlib.sha256("\n".join(installed).encode()).hexdigest(),
        "hash seed": os.environ.get("PYTHONHASHSEED", "random"),
    }


@functools.cache
def _installed() -> tuple[str, ...]:
    """Return where the standard library and distributions are."""
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders = {*found, *site.getsitepackages(), site.getusersitepackages()}
    return tuple(folder.rstrip(os.sep) + os.sep for folder in folders)

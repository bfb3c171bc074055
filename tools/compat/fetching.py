"""Get a project's source and what its tests import: pinned by hash, fetched once, by pip.

Not by ``urllib``: pip knows the user's index, proxy and certificates. The price is that pip asks a
project's build backend for metadata, in an environment of its own.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.compat.project import CannotCompareError

if TYPE_CHECKING:
    from tools.compat.project import Project


def prepare_cache(cache: Path) -> None:
    """Make the folder for downloads, invisible to version control."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n", encoding="utf-8")


def fetch(project: Project, cache: Path) -> Path:
    """Return the project's source distribution, downloading it only once."""
    archive = cache / project.archive
    if not archive.exists():
        download(project, archive)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != project.sha256:
        raise CannotCompareError(
            f"hash mismatch: {archive}\n"
            f"  pinned: {project.sha256}\n"
            f"  found:  {found}\n"
            "delete the file and run again"
        )
    return archive


def download(project: Project, archive: Path) -> None:
    """Let pip fetch the pinned source distribution to *archive*."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        pip(
            "download",
            "--no-deps",
            f"--no-binary={project.name}",
            f"--dest={scratch}",
            requirements=f"{project.name}=={project.version} --hash=sha256:{project.sha256}\n",
        )
        (Path(scratch) / project.archive).replace(archive)


def install_requirements(project: Project, cache: Path) -> Path:
    """Return a folder with what the tests import, installing it only once for each Python.

    A folder of its own, so that the environment of whoever runs this stays as it is.
    """
    what = f"{sys.version_info[:2]} {project.requirements}"
    site = cache / f"site-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    if not site.exists():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            target = Path(scratch) / "site"
            target.mkdir()
            if project.requirements:
                pip(
                    "install",
                    "--no-deps",
                    "--only-binary=:all:",
                    f"--target={target}",
                    requirements=project.requirements,
                )
            move_unless_there(target, site)
    return site


def move_unless_there(source: Path, target: Path) -> None:
    """Rename a folder, unless another process has just put the same one there."""
    try:
        source.rename(target)
    except OSError:
        if not target.exists():
            raise


def pip(*arguments: str, requirements: str) -> None:
    """Run a pip command on pinned *requirements*, refusing any that lacks its hash."""
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "requirements.txt"
        listed.write_text(requirements, encoding="utf-8")
        command = [sys.executable, "-m", "pip", *arguments, "--require-hashes", "--retries=2"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--quiet", f"--requirement={listed}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise CannotCompareError(explain_pip(done.stderr))


def explain_pip(stderr: str) -> str:
    """Return an error message for what pip said."""
    evidence = "\n".join(f"  {line}" for line in stderr.strip().splitlines()[-8:])
    if "DO NOT MATCH THE HASHES" in stderr:
        return (
            f"hash mismatch: the index offers another file than the pinned one\n{evidence}\n"
            "do not use it; ask the index's maintainer, or try another index"
        )
    if "No module named pip" in stderr:
        return f"pip is not installed in: {sys.executable}\ninstall it with: python -m ensurepip"
    return (
        f"pip could not fetch a pinned file:\n{evidence}\n"
        "check the network and the index (python -m pip config list), then run again"
    )


def unpack(archive: Path, into: Path) -> Path:
    """Unpack a source distribution and return its one top folder.

    Only what stays below *into* is accepted, also where ``tarfile`` has no filters.
    """
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if not stays_inside(member):
                raise CannotCompareError(
                    f"unsafe member in {archive}: {member.name}\nreport it to the project"
                )
        if hasattr(tarfile, "data_filter"):
            packed.extractall(into, filter="data")
        else:
            packed.extractall(into)
    (top,) = into.iterdir()
    return top


def stays_inside(member: tarfile.TarInfo) -> bool:
    """Return whether *member* is a file, folder or link below the top, as is what it links to."""
    names = [member.name]
    if member.issym():
        names.append(f"{Path(member.name).parent}/{member.linkname}")
    elif member.islnk():
        names.append(member.linkname)
    elif not (member.isfile() or member.isdir()):
        return False
    if Path(member.linkname).is_absolute():
        return False
    return not any(
        Path(name).is_absolute() or os.path.normpath(name).startswith("..") for name in names
    )

"""``python -m benchmarks [SUBJECT ...]``: measure, and print each figure beside its target."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import version

from benchmarks import (
    eventflow,
    fast_paths,
    opening,
    plugin,
    rates,
    runners,
    scale,
    schedules,
    services,
    switching,
    taskqueue,
)

SUBJECTS = {
    "switching": switching.run,
    "opening": opening.run,
    "fast_paths": fast_paths.run,
    "scale": scale.run,
    "plugin": plugin.run,
    "schedules": schedules.run,
    "rates": rates.run,
    "services": services.run,
    "taskqueue": taskqueue.run,
    "eventflow": eventflow.run,
    "runners": runners.run,
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subject", nargs="*", choices=[*SUBJECTS, []], help="all, if none is named")
    chosen = parser.parse_args().subject or list(SUBJECTS)
    print(
        f"simclock {version('simclock')}, CPython {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f}\n"
        "Medians of alternating rounds. Read the ratios: absolute figures drift with the machine.\n"
    )
    missed = []
    for subject in chosen:
        for table in SUBJECTS[subject]():
            table.show()
            missed += [f"{table.title}: {line.name}" for line in table.lines if line.met is False]
    print("targets missed: " + ("; ".join(missed) if missed else "none of these"))


if __name__ == "__main__":
    main()

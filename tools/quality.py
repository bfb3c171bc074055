"""How often each strategy finds each known bug of ``tests/quality/programs``.

``rates`` measures that and writes it to ``tests/quality/rates.json``, which the tests compare with:
exactly where every schedule can be run (and, from a model of it, how likely the random walk fails),
by sampling elsewhere. ``campaign`` runs searches as a user would, against these figures.
``replay`` finds each bug once, and repeats the failure in another process with another hash seed.
``hypothesis`` lets Hypothesis draw the schedules.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import contextlib
import functools
import importlib.metadata
import importlib.util
import inspect
import io
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import hypothesis

import simclock
from simclock._core.choices import CLOCK, COST
from simclock._core.recording import Follow
from simclock._explore.choosing import chosen, settings_of
from simclock._explore.playing import play
from simclock._strategies.randomised import RATES
from simclock.hypothesis import schedules

FOLDER = Path(__file__).parents[1] / "tests" / "quality"
FIGURES = FOLDER / "rates.json"
STRATEGIES = ("canonical", "random", "pct", "pos", "urw", "clock", "dfs", "portfolio")
# Those that a strategy is measured with: some learn from their first runs, and not always well.
SEEDS = 4
# Standard deviations of a normal distribution that one in a thousand is beyond.
WIDE = 3.29
# A search that is to find a bug may miss it so often: rarer than one in twenty, as is promised,
# since twenty searches are to keep the promise.
MISSED = 0.01
# How often a failure is repeated in each other process.
TIMES = 100
# What passes for chance.
CHANCE = 1e-6


@functools.cache
def programs():
    """Return the programs by name."""
    path = FOLDER / "programs"
    name = "simclock_quality_programs"
    spec = importlib.util.spec_from_file_location(
        name, path / "__init__.py", submodule_search_locations=[str(path)]
    )
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PROGRAMS


# ------------------------------------------------------------------ every schedule


class Tree:
    """Makes each run take the next way through the tree of choices, depth first.

    Written apart from the strategy that does so, which is compared with it.
    """

    def __init__(self):
        self._sent = []
        self.points = []

    def choose(self, point):
        """Return the choice that leads to where the run is sent, and 0 from there on."""
        position = len(self.points)
        choice = self._sent[position] if position < len(self._sent) else 0
        self.points.append((point, choice))
        return choice

    def advance(self):
        """Go on to the next way; return whether there is one."""
        while self.points:
            point, choice = self.points.pop()
            if choice + 1 < point.bound:
                self._sent = [before for _, before in self.points] + [choice + 1]
                self.points = []
                return True
        return False

    def likelihood(self):
        """Return how likely the random walk makes this run."""
        return sum(math.prod(_chance(*each, rate) for each in self.points) for rate in RATES) / len(
            RATES
        )


def _chance(point, choice, rate):
    """Return how likely the random walk takes this choice, where time passes at *rate*."""
    if point.label == COST:
        return rate / (point.bound - 1) if choice else 1 - rate
    if point.candidates and point.candidates[-1].path == CLOCK:
        threads = point.bound - 1
        return rate if choice == threads else (1 - rate) / threads
    return 1 / point.bound


def exhaust(scenario, limit):
    """Return how many schedules there are, how many fail, and how likely that is at random.

    None if there are more than *limit*.
    """
    tree, settings = Tree(), settings_of()
    schedules = failed = 0
    likely = []
    while schedules < limit:
        schedules += 1
        if play(scenario, tree, settings).error is not None:
            failed += 1
            likely.append(tree.likelihood())
        if not tree.advance():
            return {"schedules": schedules, "failed": failed, "random": math.fsum(likely)}
    return None


# ------------------------------------------------------------------ samples


def failures(scenario, strategy, runs, seed):
    """Return how many runs were made, and how many of them failed. It goes on after a failure."""
    made, settings = chosen(strategy, seed), settings_of()
    count = failed = 0
    while count < runs and not made.finished:
        made.begin()
        played = play(scenario, made, settings)
        made.end(complete=played.is_complete)
        count += 1
        failed += played.error is not None
    return count, failed


def interval(runs, failed):
    """Return the bounds of a rate (Wilson's interval, wrong once in a thousand samples)."""
    share, square = failed / runs, WIDE**2 / runs
    middle = share + square / 2
    spread = WIDE * math.sqrt(share * (1 - share) / runs + square / runs / 4)
    low, high = (middle - spread) / (1 + square), (middle + spread) / (1 + square)
    # Not what rounding makes of 0 and 1.
    return (0.0 if failed == 0 else low), (1.0 if failed == runs else high)


def at_most(count, runs, rate):
    """Return how likely at most *count* of *runs* fail at this rate."""
    each = (math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in range(count + 1))
    return math.fsum(each)


def plausible(count, runs, figure):
    """Return whether *count* failures in *runs* agree with a figure of ``rates.json``."""
    low, high = interval(figure["runs"], figure["failed"])
    return at_most(count, runs, low) > CHANCE and 1 - at_most(count - 1, runs, high) > CHANCE


def runs_needed(figure):
    """Return after how many runs a search has failed at last, all but once in `1 / MISSED`.

    Infinity where the figure does not say that it ever does.
    """
    low, _ = interval(figure["runs"], figure["failed"])
    if low in (0.0, 1.0):
        return 1 if low else math.inf
    return math.ceil(math.log(MISSED) / math.log1p(-low))


def measure(name, runs, limit):
    """Return the figures of one program."""
    scenario = programs()[name].bug
    shares = {}
    for strategy in STRATEGIES:
        made = [failures(scenario, strategy, runs // SEEDS, seed) for seed in range(SEEDS)]
        shares[strategy] = {
            "runs": sum(count for count, _ in made),
            "failed": sum(failed for _, failed in made),
        }
    return {"exhausted": exhaust(scenario, limit), "strategies": shares}


# ------------------------------------------------------------------ commands


def rates(options):
    """Measure, show and write the figures."""
    names = options.programs
    found = json.loads(FIGURES.read_text())["programs"] if FIGURES.exists() else {}
    tasks = [(name, options.runs, options.limit) for name in names]
    for name, figures in zip(names, _spread(measure, tasks, options.jobs), strict=True):
        found[name] = figures
        print(f"{name:18}{_line(figures)}", flush=True)
    figures = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "simclock": importlib.metadata.version("simclock"),
        "method": (
            "strategies: how many runs failed, of searches that go on after a failure, with "
            f"{SEEDS} seeds. exhausted: every schedule was run once; random: the sum of the "
            "probabilities that the random walk makes those that fail. null: too many schedules."
        ),
        "programs": {name: found[name] for name in programs() if name in found},
    }
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _line(figures):
    shares = [
        f"{strategy} {figure['failed'] / figure['runs']:.4f}"
        for strategy, figure in figures["strategies"].items()
    ]
    exact = figures["exhausted"]
    if exact is not None:
        count = f"{exact['failed']} of all {exact['schedules']} schedules"
        shares.append(f"({count}; at random {exact['random']:.4f})")
    return "  ".join(shares)


def campaign(options):
    """Search for each bug again and again, and in each fixed version; compare with the figures."""
    figures = json.loads(FIGURES.read_text())["programs"]
    tasks = [(name, options.campaigns, options.runs) for name in options.programs]
    wrong = 0
    for task, (firsts, accused) in zip(tasks, _spread(_searches, tasks, options.jobs), strict=True):
        name = task[0]
        if not programs()[name].broken:
            complaint = "accused" if firsts else ""
        else:
            figure = figures[name]["strategies"]["portfolio"]
            complaint = _complaint(firsts, options.campaigns, options.runs, figure)
        complaint = accused or complaint
        wrong += bool(complaint)
        middle = sorted(firsts)[len(firsts) // 2] if firsts else "-"
        found = f"found by {len(firsts)} of {options.campaigns} campaigns"
        print(f"{name:18}{found}, median run {middle}  {complaint}", flush=True)
    return 1 if wrong else 0


def _searches(name, campaigns, runs):
    """Return in which runs searches have failed, and how the fixed version was accused, if so."""
    program = programs()[name]
    reports = [simclock.explore(program.bug, runs=runs, seed=seed) for seed in range(campaigns)]
    firsts = [report.failure.run for report in reports if report.failure is not None]
    report = simclock.explore(program.fixed, runs=runs)
    return firsts, "" if report.verdict == "passed" else f"the fixed version: {report}"


def _complaint(firsts, campaigns, runs, figure):
    """Return what is wrong about so many searches that have found a bug, or nothing."""
    missed = campaigns - len(firsts)
    if runs_needed(figure) <= runs:
        # One in twenty; chance alone would have two once in sixty times, at worst.
        return "" if missed <= campaigns // 20 else "missed although it should be found"
    low, high = interval(figure["runs"], figure["failed"])
    finds = [1 - (1 - rate) ** runs for rate in (low, high)]
    likely = at_most(len(firsts), campaigns, finds[0]) > CHANCE
    return "" if likely else f"expected to be found with a probability of {finds[0]:.2f} or more"


REPEAT = """
import sys
from simclock import searching
from simclock import Schedule
from simclock._explore.playing import play
from simclock._core.recording import Follow
from tools.quality import programs

bug = programs()[sys.argv[1]].bug
schedule = Schedule.from_token(sys.argv[2])
settings = searching.Settings(schedule.fidelity, schedule.latency_ns, {"seed": schedule.seed})
same = 0
for _ in range(int(sys.argv[3])):
    again = play(bug, searching.Follow(schedule, strict=True), settings)
    same += (type(again.error).__name__, again.trace.digest) == (sys.argv[4], sys.argv[5])
print(same)
"""


def replay(options):
    """Repeat a failure of each program elsewhere; return the exit status."""
    wrong = 0
    for name in options.programs:
        report = simclock.explore(programs()[name].bug, runs=options.runs)
        if report.failure is None:
            print(f"{name:18}not found")
            wrong += programs()[name].broken
            continue
        token = report.failure.token
        schedule = simclock.Schedule.from_token(token)
        settings = settings_of(latency=schedule.latency_ns / 1e9)
        played = play(programs()[name].bug, Follow(schedule, strict=True), settings)
        found = (type(played.error).__name__, played.trace.digest)
        same = [
            subprocess.run(  # noqa: S603 - this file's own program
                [sys.executable, "-c", REPEAT, name, token, str(TIMES), *found],
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
                cwd=Path(__file__).parents[1],
                capture_output=True,
                text=True,
                check=False,
            ).stdout.strip()
            for seed in (1, 2)
        ]
        wrong += same != [str(TIMES)] * 2
        print(f"{name:18}the same {same[0]} and {same[1]} of {TIMES} times", flush=True)
    return 1 if wrong else 0


def drawn(options):
    """Tell after how many examples Hypothesis found each bug, and with how many deviations."""
    tasks = [
        (name, number, options.runs)
        for name in options.programs
        for number in range(options.campaigns)
    ]
    found = dict(zip(tasks, _spread(_drawn, tasks, options.jobs), strict=True))
    for name in options.programs:
        of_name = [found[task] for task in tasks if task[0] == name]
        firsts = sorted(first for first, _ in of_name if first)
        sizes = sorted(size for first, size in of_name if first)
        print(
            f"{name}: found by {len(firsts)} of {len(of_name)}, after {firsts}, shrunk to {sizes}"
        )
    return 0


def _drawn(name, number, runs):
    bug = programs()[name].bug
    tried = 0
    firsts, sizes = [], []

    @hypothesis.seed(number)
    @hypothesis.settings(
        max_examples=runs,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(schedule=schedules())
    def test(schedule):
        nonlocal tried
        tried += 1
        try:
            schedule.run(*((asyncio.run, bug()) if inspect.iscoroutinefunction(bug) else (bug,)))
        except Exception:
            firsts.append(tried)
            sizes.append(len(schedule.deviations))
            raise

    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        test()
    return (firsts[0], sizes[-1]) if firsts else (0, 0)


def _spread(function, tasks, jobs):
    """Yield what *function* returns for each task's arguments."""
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(function, *zip(*tasks, strict=True))


def main(arguments=None):
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev quality", description=__doc__)
    parser.add_argument("command", choices=("rates", "campaign", "replay", "hypothesis"))
    parser.add_argument("programs", nargs="*", default=list(programs()), metavar="PROGRAM")
    parser.add_argument("--runs", type=int, default=1000, help="of a search or a sample")
    parser.add_argument("--campaigns", type=int, default=20)
    parser.add_argument("--limit", type=int, default=20_000, help="schedules to run them all")
    parser.add_argument("--jobs", type=int, help="processes")
    options = parser.parse_intermixed_args(arguments)
    unknown = [name for name in options.programs if name not in programs()]
    if unknown:
        parser.error(f"no such program: {', '.join(unknown)}")
    commands = {"rates": rates, "campaign": campaign, "replay": replay, "hypothesis": drawn}
    return commands[options.command](options)


if __name__ == "__main__":
    sys.exit(main())

"""Small programs as data, and what executes them one operation at a time: no simulator, no threads."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from simclock._core.choices import CLOCK, COST, THREAD, Candidate, ChoicePoint


class Op(NamedTuple):
    kind: str
    target: str = ""
    value: Any = None


class Ran(NamedTuple):
    """What came out of a run."""

    failure: str
    shared: dict
    # Who executed what: "0.1 read x".
    log: tuple
    points: tuple
    choices: tuple


class Machine:
    """The state of one run of a program: threads by path, each a sequence of operations.

    A thread whose path's parent is a thread of the program waits to be started; others are there
    from the beginning. With *early*, the clock may go on although a thread could.
    """

    def __init__(self, program, answers, early):
        self.program = program
        self.answers = answers
        self.early = early
        self.shared = {}
        self.owners = {}
        self.registers = {}
        self.position = dict.fromkeys(program, 0)
        self.started = {path for path in program if path.rpartition(".")[0] not in program}
        self.sleeping = {}
        self.now = 0
        self.numbers = {}
        self.failure = ""
        self.log, self.points, self.choices = [], [], []

    def next(self, path):
        operations = self.program[path]
        return operations[self.position[path]] if self.position[path] < len(operations) else None

    def can_go_on(self, path):
        op = self.next(path)
        if op is None or path not in self.started or path in self.sleeping:
            return False
        if op.kind == "acquire":
            return op.target not in self.owners
        return op.kind != "join" or self.next(op.target) is None

    def run(self):
        current = None
        while not self.failure:
            able = [path for path in self.program if self.can_go_on(path)]
            if current in able:
                able.remove(current)
                able.insert(0, current)
            if not able and not self.sleeping:
                stuck = any(self.next(path) for path in self.started)
                self.failure = "deadlock" if stuck else ""
                break
            current = self.pick(able, preempts=current in able)
            if current == CLOCK:
                self.now = min(self.sleeping.values())
                self.sleeping = {p: t for p, t in self.sleeping.items() if t > self.now}
            else:
                self.execute(current)
        return Ran(
            self.failure, self.shared, tuple(self.log), tuple(self.points), tuple(self.choices)
        )

    def pick(self, able, *, preempts):
        ways = [
            Candidate(path, self.next(path).kind, self.number(self.next(path).target))
            for path in able
        ]
        if self.sleeping and (self.early or not able):
            ways.append(Candidate(CLOCK, "jump", 0))
        if len(ways) == 1:
            return ways[0].path
        return ways[self.choose(ChoicePoint(THREAD, len(ways), tuple(ways), preempts))].path

    def choose(self, point):
        choice = self.answers.choose(point)
        assert 0 <= choice < point.bound, (point, choice)
        self.points.append(point)
        self.choices.append(choice)
        return choice

    def number(self, target):
        return self.numbers.setdefault(target, len(self.numbers) + 1) if target else 0

    def execute(self, path):
        op = self.next(path)
        self.log.append(f"{path} {op.kind} {op.target}".strip())
        self.position[path] += 1
        getattr(self, f"do_{op.kind}")(path, op)

    def do_acquire(self, path, op):
        self.owners[op.target] = path

    def do_release(self, path, op):
        del self.owners[op.target]

    def do_read(self, path, op):
        self.registers[path] = self.shared.get(op.target, 0)

    def do_write(self, path, op):
        value = op.value(self.registers.get(path, 0)) if callable(op.value) else op.value
        self.shared[op.target] = value

    def do_update(self, path, op):
        self.shared[op.target] = op.value(self.shared.get(op.target, 0))

    def do_check(self, path, op):
        if not op.value(SimpleNamespace(register=self.registers.get(path, 0), **self.shared)):
            self.failure = f"check of {path}"

    def do_start(self, path, op):
        self.started.add(op.target)

    def do_sleep(self, path, op):
        self.sleeping[path] = self.now + op.value

    def do_order(self, path, op):
        self.shared[op.target] = self.choose(ChoicePoint(op.target, op.value))

    def do_step(self, path, op):
        pass

    do_join = do_step


class Script:
    """Follows a list of choices, then 0."""

    def __init__(self, choices=()):
        self.left = list(reversed(choices))

    def choose(self, point):
        return self.left.pop() if self.left else 0


def run(program, answers, *, early=False):
    """Execute the program once; *answers* is asked as the kernel asks."""
    return Machine(program, answers, early).run()


def campaign(program, strategy, runs, *, early=False):
    """Yield what comes out of run after run, until the strategy has no more."""
    for _ in range(runs):
        if strategy.finished:
            return
        strategy.begin()
        ran = run(program, strategy, early=early)
        strategy.end(complete=True)
        yield ran


def brute_force(program, *, early=False):
    """Yield what comes out of every schedule: an odometer of choices, with no idea of a strategy."""
    choices = []
    while True:
        ran = run(program, Script(choices), early=early)
        yield ran
        choices = list(ran.choices)
        while choices and choices[-1] == ran.points[len(choices) - 1].bound - 1:
            choices.pop()
        if not choices:
            return
        choices[-1] += 1


def walk_probability(program, wanted):
    """Return how likely a uniform random walk is to come to what is *wanted*, exactly."""
    total = Fraction(0)
    for ran in brute_force(program):
        if wanted(ran):
            likely = Fraction(1)
            for point in ran.points:
                likely /= point.bound
            total += likely
    return total


def cost(ran):
    """Return how many preemptions a run has, counted from its points afresh."""
    spent = 0
    for point, choice in zip(ran.points, ran.choices, strict=True):
        to_clock = bool(point.candidates) and point.candidates[choice].path == CLOCK
        spent += bool(choice) and (point.preempts or point.label == COST or to_clock)
    return spent


PADDING = [Op("step")] * 4


@pytest.fixture(scope="session")
def model():
    """The interpreter, and the words of its programs."""
    return SimpleNamespace(
        run=run,
        campaign=campaign,
        brute_force=brute_force,
        walk_probability=walk_probability,
        cost=cost,
        acquire=lambda lock: Op("acquire", lock),
        release=lambda lock: Op("release", lock),
        read=lambda name: Op("read", name),
        write=lambda name, value: Op("write", name, value),
        update=lambda name, function: Op("update", name, function),
        check=lambda predicate: Op("check", "", predicate),
        start=lambda path: Op("start", path),
        join=lambda path: Op("join", path),
        sleep=lambda duration: Op("sleep", "", duration),
        order=lambda label, bound: Op("order", label, bound),
        step=Op("step"),
    )


@pytest.fixture(scope="session")
def figures(model):
    """The bugs of figure 1 of the paper on PCT, and one of its figure 5; by what they are."""
    acquire, release, read, write = model.acquire, model.release, model.read, model.write
    there = model.check(lambda seen: seen.register)
    return SimpleNamespace(
        # (a): one thread uses what the other one has not made yet. Depth 1.
        order={
            "0": (*PADDING, write("made", 1), *PADDING),
            "1": (*PADDING, read("made"), there, *PADDING),
        },
        # (b): what was there when one looked is gone when one uses it. Depth 2.
        atomicity={
            "0": (write("gone", 0), *PADDING, write("gone", 1), *PADDING),
            "1": (
                *PADDING,
                read("gone"),
                model.write("seen", lambda gone: not gone),
                model.check(lambda seen: not (seen.seen and getattr(seen, "gone", 0))),
                *PADDING,
            ),
        },
        # (c): two locks, in both orders. Depth 2.
        deadlock={
            "0": (*PADDING, acquire("a"), *PADDING, acquire("b"), release("b"), release("a")),
            "1": (*PADDING, acquire("b"), *PADDING, acquire("a"), release("a"), release("b")),
        },
        # 5: one of two threads has to run from start to end first. Depth 1.
        long={
            "0": (*[model.step] * 20, write("late", 1)),
            "1": (read("late"), model.check(lambda seen: not seen.register)),
        },
        # Not from the paper: w0 < r1 < w1 < r2, in two threads. Depth 3.
        twice={
            "0": (model.step, write("x", 1), model.step, write("x", 0), model.step),
            "1": (
                model.step,
                read("x"),
                write("first", lambda x: x),
                read("x"),
                model.check(lambda seen: not (seen.first and not seen.register)),
            ),
        },
    )

"""Take each mutant through the tests that run its line, until one of them fails."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.mutation.hot import change, codes_of
from tools.mutation.mutants import tree_of
from tools.mutation.recording import distance
from tools.mutation.running import BROKEN, KILLED, run_anew
from tools.mutation.targets import LEAST_S, PATIENCE, ROUNDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tools.mutation.hot import Hot
    from tools.mutation.mutants import Mutant
    from tools.mutation.recording import Record
    from tools.mutation.running import Slot

FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?\.py::.+?)(?: - |$)", re.MULTILINE)


@dataclass
class Trial:
    """A mutant on its way.

    Attributes:
        source: Its module as it is.
        outcome: ``killed``, ``hung``, ``survived``, ``uncovered``, or ``invalid`` where it is no
            Python; empty until then.
        tests: Those of this round.
        hot: Whether this round was on functions in memory, and is to be confirmed.
        tried: The tests of the other rounds that it has got through.
        rounds: How many rounds it has got through.
    """

    mutant: Mutant
    source: str
    outcome: str = ""
    tests: list[str] = field(default_factory=list)
    hot: bool = False
    tried: set[str] = field(default_factory=set)
    rounds: int = 0


class Campaign:
    """Trials, as many at a time as there are slots."""

    def __init__(self, hot: Hot, record: Record, slots: list[Slot], first: str) -> None:
        self.hot = hot
        self.first = first
        self.record = record
        self.slots = slots
        # By function, the tests that have failed for its mutants: they come first for the others.
        self._killers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def run(self, mutants: Iterable[tuple[Mutant, str]]) -> Iterator[Trial]:
        """Yield the trial of each mutant as it ends; they come with their modules' sources."""
        waiting = deque(Trial(mutant, source) for mutant, source in mutants)
        while waiting or any(slot.pid for slot in self.slots):
            for slot in self.slots:
                if slot.pid and (status := slot.ended()) is not None:
                    trial = slot.job
                    self._judge(trial, status, slot)
                    if trial.outcome:
                        yield trial
                    else:
                        waiting.appendleft(trial)
                elif not slot.pid and waiting:
                    trial = waiting.popleft()
                    self._choose_tests(trial)
                    if trial.outcome:
                        yield trial
                    else:
                        self._start(trial, slot)
            time.sleep(0.005)

    def _choose_tests(self, trial: Trial) -> None:
        """Choose what the next round runs, or end the trial."""
        seconds = self.record.seconds
        path = trial.mutant.path
        killers = self._killers[path, trial.mutant.function]
        rest = self.record.tests_of(path, trial.mutant.lines) - trial.tried
        if not rest or trial.rounds == len(ROUNDS):
            trial.outcome = "survived" if trial.rounds else "uncovered"
            return
        # The quickest of each file, then the second of each: who tests something else finds more.
        turns: Counter[str] = Counter()
        ranks = {}
        for test in sorted(rest, key=lambda test: (seconds[test], test)):
            file = test.partition("::")[0]
            turns[file] += 1
            ranks[test] = (
                not (self.first and test.startswith(self.first)),
                -killers[test],
                distance(test, path),
                turns[file],
                seconds[test],
            )
        most, budget = ROUNDS[trial.rounds]
        trial.tests = []
        for test in sorted(ranks, key=ranks.__getitem__):
            if len(trial.tests) < most and (seconds[test] <= budget or not trial.tests):
                budget -= seconds[test]
                trial.tests.append(test)

    def _start(self, trial: Trial, slot: Slot) -> None:
        mutant, source = trial.mutant, trial.source
        hot = not trial.rounds and not self.record.is_import(mutant.path, mutant.lines)
        trial.hot = hot

        # Here, since that takes longer than most of the tests.
        tree, codes = tree_of(source), codes_of(mutant.path, source)

        def work() -> int:
            try:
                changed = mutant.apply(tree)
            except (AttributeError, SyntaxError):
                return BROKEN
            if hot:
                try:
                    change(mutant.path, codes, changed)
                except ValueError:  # functions come or go
                    return 0
                return self.hot.run(trial.tests)
            slot.enter()
            slot.put(mutant.path, changed)
            return run_anew(trial.tests)

        if slot.job:
            slot.put(slot.job.mutant.path, slot.job.source)
        expected = sum(self.record.seconds[test] for test in trial.tests)
        slot.start(trial, work, LEAST_S + PATIENCE * expected)

    def _judge(self, trial: Trial, status: int, slot: Slot) -> None:
        trial.rounds += 1
        if not trial.hot:
            trial.tried.update(trial.tests)
        if status in {BROKEN, KILLED}:
            trial.outcome = "invalid" if status == BROKEN else "hung"
        elif status:
            trial.outcome = "killed"
            if failed := FAILED.search(slot.output()):
                self._killers[trial.mutant.path, trial.mutant.function][failed[1]] += 1

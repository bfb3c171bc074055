"""The program whose runs are compared: threads, a queue, a pool, timeouts, random numbers, sets.

Run as a script, it prints the digest and the result of a few runs.
"""

from __future__ import annotations

import queue
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed, wait

from simclock import Simulation

# The door opens after 0.5 s; whoever waits exactly so long began before, and leaves first.
PATIENCE = (0.25, 0.5, 0.75)


class Token:
    """Hashed by its address: a set of these has another order in each process."""


class Program:
    """A program; any two runs of it under one seed must agree on its log."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.log = []
        self.items = queue.Queue(2)
        self.condition = threading.Condition()
        self.is_open = False
        self.producers = [threading.Thread(target=self.produce) for _ in range(2)]

    def note(self, what):
        self.log.append((time.monotonic_ns() - 10**12, threading.current_thread().name, what))

    def produce(self):
        for number in range(self.rounds):
            time.sleep(random.random())
            self.items.put((number, random.randrange(100)))
            self.note("put")

    def consume(self):
        while any(producer.is_alive() for producer in self.producers) or self.items.qsize():
            try:
                self.note(self.items.get(timeout=0.4))
            except queue.Empty:
                self.note("empty")

    def visit(self, patience):
        with self.condition:
            self.note(self.condition.wait_for(lambda: self.is_open, timeout=patience))

    def open(self):
        time.sleep(0.5)
        with self.condition:
            self.is_open = True
            self.condition.notify_all()

    def job(self, number):
        tokens = {Token() for _ in range(10)}
        time.sleep(random.choice([0, 0.25, 0.25, 0.5]))
        return number, len(tokens)

    def use_a_pool(self):
        with ThreadPoolExecutor(3) as pool:
            futures = {pool.submit(self.job, number) for number in range(2 * self.rounds)}
            for future in as_completed(futures):
                self.note(future.result())
            done, _ = wait(futures)
            self.note([future.result()[0] for future in done])

    def run(self):
        threads = [
            *self.producers,
            *(threading.Thread(target=self.consume) for _ in range(2)),
            *(threading.Thread(target=self.visit, args=(patience,)) for patience in PATIENCE),
            threading.Thread(target=self.open),
        ]
        for thread in threads:
            thread.start()
        self.use_a_pool()
        for thread in threads:
            thread.join()
        return self.log


def outcome(seed=0, rounds=3):
    """Return (digest, records, log) of one run."""
    with Simulation(seed=seed) as simulation:
        log = Program(rounds).run()
    return simulation.trace.digest, simulation.trace.records, log


if __name__ == "__main__":
    runs, *seeds = map(int, sys.argv[1:])
    for seed in seeds:
        found = {(digest, repr(log)) for digest, _, log in (outcome(seed) for _ in range(runs))}
        for digest, log in sorted(found):
            sys.stdout.write(f"{seed} {digest} {log}\n")

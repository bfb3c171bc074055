"""A kernel without a boundary: real threads, but nothing redirected and no real time."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import pytest

from simclock._core.choices import Canonical
from simclock._core.instants import SECOND
from simclock._core.kernel import Kernel
from simclock._core.ports import Limits

LIMITS = Limits(
    time_ns=10**9 * SECOND,
    steps=1_000_000,
    steps_per_instant=10_000,
    stall=30.0,
    drain_ns=60 * SECOND,
)


class FakePort:
    """Plays threads with locks for batons, and the world outside by what a test sets."""

    def __init__(self):
        self.world = SimpleNamespace()
        self.calls = []
        self.threads = []
        # What the world outside is like.
        self.foreign = []
        self.steps_outside = 0
        self.signals = []
        self.real_now = 0.0
        # The package in real time that is being called.
        self.package = ""
        # Called at each wait in real time.
        self.meanwhile = lambda: None
        self.at_work = ""
        # The descriptors of the last wait in real time.
        self.wanted = []
        self.abort = None
        self._serials = itertools.count(1)
        self._mine = threading.local()

    def new_baton(self):
        turn = threading.Lock()
        turn.acquire()
        return SimpleNamespace(serial=next(self._serials), turn=turn, cancelled=False)

    def start(self, thread, function, args, kwargs):
        made = threading.Thread(target=self._run, args=(thread, function, args, kwargs or {}))
        made.daemon = True
        made.start()
        self.threads.append(made)
        return made.ident

    def _run(self, thread, function, args, kwargs):
        baton = self._mine.baton = thread.baton
        self._await(baton)
        if not baton.cancelled:
            try:
                function(*args, **kwargs)
            except SystemExit:
                self.calls.append(f"{thread.name} unwound")
        following = self.world.exit_hook(baton)
        if following is not None:
            following.turn.release()

    def _await(self, baton):
        assert baton.turn.acquire(timeout=60), "a turn that never came"

    def switch(self, mine, following):
        following.turn.release()
        self._await(mine)
        return self.abort is not None and self.abort()

    def give_turn(self, baton):
        baton.turn.release()

    def current(self):
        return getattr(self._mine, "baton", None)

    def cancel(self, thread):
        self.calls.append(f"cancel {thread.name}")
        thread.baton.cancelled = True

    def silence(self, thread):
        pass

    def abandon(self, thread):
        self.calls.append(f"abandon {thread.name}")

    def ended(self, thread):
        return [id(thread)]

    def call_user(self, function, *args):
        return function(*args)

    def signals_wanted(self):
        return bool(self.signals)

    def check_signals(self):
        self.signals.pop(0)()

    def wait_kick(self, seconds, wanted=()):
        self.real_now += seconds
        self.wanted = list(wanted)
        self.meanwhile()
        return False

    def working(self):
        return self.at_work

    def real_package(self):
        return self.package

    def disturbed(self):
        return bool(self.signals or self.at_work)

    def foreign_steps(self):
        return self.steps_outside

    def foreign_threads(self):
        return self.foreign

    def real_seconds(self):
        return self.real_now

    def collect(self):
        self.calls.append("collect")

    def enter(self, group):
        self.calls.append(f"enter {group and group.name}")

    def let_go(self, group):
        self.calls.append(f"let go {group.name}")

    def mourn(self, unwind):
        unwind()

    def retire(self, threads):
        self.calls.append(f"retire {' '.join(thread.name for thread in threads)}")


class Gate:
    """A lock of one place."""

    def __init__(self, kernel, *, owner=None):
        self._kernel = kernel
        self.owned_by = owner
        self.key = id(self)

    def free(self):
        return self.owned_by is None

    def take(self):
        if self.owned_by is not None:
            return False
        self.owned_by = self._kernel.current
        return True

    def owner(self):
        return self.owned_by

    def acquire(self, deadline_ns=None):
        self._kernel.checkpoint("acquire")
        return self.take() or self._kernel.wait("lock", self, deadline_ns)

    def release(self):
        self.owned_by = None
        self._kernel.hint(self.key)
        self._kernel.checkpoint("release")


class PolledGate(Gate):
    """One that somebody outside opens; nobody tells the kernel."""

    def __init__(self, kernel, owed, patience, descriptors):
        super().__init__(kernel, owner=kernel.root)
        self.owed = owed
        self.patience = patience
        self._descriptors = list(descriptors)

    def open(self):
        self.owned_by = None

    def outside(self):
        return self.owed

    def descriptors(self):
        return self._descriptors

    def give_up(self):
        self.owed = ""

    def wait(self, seconds=None):
        deadline_ns = None if seconds is None else self._kernel.world.now_ns + int(seconds * SECOND)
        return self._kernel.wait_polled("recv", self, deadline_ns)


class Join:
    """The wait for a thread to end."""

    def __init__(self, thread):
        self._thread = thread
        self.key = id(thread)

    def free(self):
        return self._thread.finished

    take = free

    def owner(self):
        return self._thread


class Bench:
    """A kernel, its fake port, and what a test does with them."""

    def __init__(self, source=None, external="hold", **limits):
        self.port = FakePort()
        self.kernel = Kernel(self.port, source or Canonical(), LIMITS._replace(**limits), external)
        self.kernel.root.ident = threading.get_ident()
        self.log = []
        self._ended = False

    def polled(self, owed="", patience=None, descriptors=()):
        return PolledGate(self.kernel, owed, patience, descriptors)

    def gate(self, owner=None):
        return Gate(self.kernel, owner=owner)

    def spawn(self, name, function, *args, daemon=False):
        thread = self.kernel.new_thread(name, daemon=daemon)
        self.kernel.start_thread(thread, function, args, None)
        return thread

    def join(self, thread):
        if not thread.finished:
            self.kernel.wait("join", Join(thread))

    def join_all(self):
        self.kernel.wait("join", self.kernel._all_ended)

    def now(self):
        """Return virtual seconds since the start."""
        return self.kernel.world.now_ns / SECOND - 1000

    def note(self, what):
        self.log.append((self.now(), what))

    def sleep(self, seconds):
        self.kernel.sleep_until(self.kernel.world.now_ns + int(seconds * SECOND))

    def end(self):
        """End the simulation; return the leaks."""
        self._ended = True
        self.kernel.source = Canonical()
        return self.kernel.end()

    def close(self):
        if not self._ended:
            self.end()
        for thread in self.port.threads:
            thread.join(10)


@pytest.fixture
def bench():
    """Return a function that makes a `Bench`; its options are those of the kernel."""
    made = []

    def make(**options):
        made.append(Bench(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()

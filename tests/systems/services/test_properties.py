"""What holds whatever is adopted, cancelled and shut down when."""

from __future__ import annotations

import contextlib
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

import simclock
from simclock import flavours
from simclock.systems.services import NotRunning, ServiceRunner, service, stop_token

FLAVOURS = ["asyncio", "threading", "trio"]
instants = st.integers(0, 8).map(lambda eighths: eighths / 8)
actions = st.lists(
    st.tuples(
        st.sampled_from(["adopt", "execute", "make", "cancel"]), st.sampled_from(FLAVOURS), instants
    ),
    max_size=8,
)


class Watched:
    """Payloads that note who is at work, by flavour."""

    def __init__(self):
        self.inside = dict.fromkeys(FLAVOURS, 0)
        self.most = dict.fromkeys(FLAVOURS, 0)
        self.steps = 0

    def step(self, flavour):
        """Block the thread, as a coroutine does between two awaits."""
        self.inside[flavour] += 1
        self.most[flavour] = max(self.most[flavour], self.inside[flavour])
        time.sleep(0.01)
        self.inside[flavour] -= 1
        self.steps += 1

    def payload(self, flavour, seconds):
        if flavour == "threading":

            def run(_=None):
                self.step(flavour)
                stop_token().wait(seconds)
                self.step(flavour)
        else:

            async def run(_=None):
                self.step(flavour)
                await flavours.get(flavour).sleep(seconds)
                self.step(flavour)

        return run


@settings(max_examples=60)
@given(actions, st.lists(st.tuples(instants, actions), min_size=1, max_size=2))
def test_lifecycle(before, runs):
    """Coroutines of a flavour take turns; nothing runs when `shutdown` has returned."""
    with simclock.Simulation():
        watched, runner, made, callers = Watched(), ServiceRunner(), [], []

        def act(action, flavour, seconds):
            run = watched.payload(flavour, seconds)
            if action == "make":
                made.append(service(flavour=flavour)(type("Made", (), {"run": run}))())
            elif action == "cancel":
                for each in made[-1:]:
                    each.__service_unit__.cancel()
            else:
                with contextlib.suppress(NotRunning):
                    getattr(runner, action)(run, flavour=flavour)

        for each in before:
            if each[0] != "execute":
                act(*each)
        for seconds, during in runs:
            accept = threading.Thread(target=runner.accept)
            accept.start()
            runner.running.wait()
            callers = [threading.Thread(target=act, args=each) for each in during]
            for each in callers:
                each.start()
            time.sleep(seconds)
            report = runner.shutdown()
            steps, inside = watched.steps, dict(watched.inside)
            time.sleep(3)

            assert report.abandoned == ()
            assert watched.steps == steps
            assert not any(inside.values())
            assert not any(each.__service_unit__.running for each in made)
            for each in [accept, *callers]:
                each.join()
        assert watched.most["asyncio"] <= 1
        assert watched.most["trio"] <= 1

"""Signals to simulated processes, and processes that stand still for a while."""

from __future__ import annotations

import _signal
import _thread
import asyncio
import atexit
import os
import signal
import socket
import sys
import threading
import time

import pytest
import trio

import simclock


def test_a_handler_runs_in_the_main_thread_and_the_wait_goes_on(logged):
    def main(it):
        signal.signal(signal.SIGTERM, lambda number, _: it.note("handled", number, type(number)))
        threading.Thread(target=time.sleep, args=(9,)).start()
        it.note("before", signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL)
        time.sleep(10)
        it.note("slept")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(3)
        process.terminate()
        it.note("sent")
        process.join()
        it.note(process.exitcode)

    assert it.log == [
        (0.0, "before", True),
        (3.0, "sent"),
        (3.0, "handled", 15, int),
        (10.0, "slept"),
        (10.0, 0),
    ]


def test_a_handler_that_raises_ends_the_wait(logged):
    def main(it):
        signal.signal(signal.SIGTERM, lambda *_: exit_now())
        try:
            threading.Event().wait(100)
        finally:
            it.note("cleaned up")

    def exit_now():
        raise SystemExit(5)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(3)
        process.terminate()
        process.join()
        it.note(process.exitcode)

    assert it.log == [(3.0, "cleaned up"), (3.0, 5)]


def test_ctrl_c_is_a_keyboard_interrupt(logged):
    def main(it):
        try:
            time.sleep(100)
        except KeyboardInterrupt:
            it.note("interrupted")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(1)
        os.kill(process.pid, signal.SIGINT)
        process.join()
        it.note(process.exitcode)

    assert it.log == [(1.0, "interrupted"), (1.0, 0)]


@pytest.mark.parametrize("loop", ["ours", "stock"])
def test_a_loop_is_told_of_signals(logged, loop):
    async def main(it):
        done = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
        await done.wait()
        it.note("told")
        await asyncio.sleep(1)

    def run(it):
        made = asyncio.SelectorEventLoop() if loop == "stock" else asyncio.new_event_loop()
        made.run_until_complete(main(it))
        made.close()

    with logged() as it:
        process = it.sim.host("a").start(run, it)
        time.sleep(3)
        process.terminate()
        process.join()
        it.note(process.exitcode)

    assert it.log == [(3.0, "told"), (4.0, 0)]


def test_trio_is_told_of_signals(logged):
    async def main(it):
        with trio.open_signal_receiver(signal.SIGTERM) as received:
            async for number in received:
                it.note("told", number)
                break

    with logged() as it:
        process = it.sim.host("a").start(trio.run, main, it)
        time.sleep(3)
        process.terminate()
        process.join()
        it.note(process.exitcode)

    assert it.log == [(3.0, "told", 15), (3.0, 0)]


def test_each_process_has_handlers_of_its_own(logged):
    def main(it, name):
        signal.signal(signal.SIGUSR1, lambda *_: it.note(name))
        time.sleep(10)

    mine = signal.getsignal(signal.SIGUSR1)
    with logged() as it:
        a = it.sim.host("a").start(main, it, "a")
        b = it.sim.host("b").start(main, it, "b")
        a.send_signal(signal.SIGUSR1)
        b.send_signal(signal.SIGUSR1)
        b.send_signal(signal.SIGCHLD)
        time.sleep(1)
        it.note(signal.getsignal(signal.SIGUSR1) is mine)

    assert it.log == [(0.0, "a"), (0.0, "b"), (1.0, True)]
    assert signal.getsignal(signal.SIGUSR1) is mine


def test_a_process_signals_itself_and_others(logged):
    def main(it):
        signal.signal(signal.SIGUSR1, lambda *_: it.note("myself"))
        signal.raise_signal(signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        it.note("both")
        os.kill(other.pid, signal.SIGKILL)
        os.kill(os.getpid(), 0)
        with pytest.raises(ProcessLookupError):
            os.kill(other.pid, 0)

    with logged() as it:
        other = it.sim.host("b").start(time.sleep, 100)
        process = it.sim.host("a").start(main, it)
        process.join()
        it.note(process.exitcode, other.exitcode)

    assert it.log == [(0.0, "myself"), (0.0, "myself"), (0.0, "both"), (0.0, 0, -9)]


def test_only_the_main_thread_sets_handlers(logged):
    def main(it):
        inner = threading.Thread(target=sets, args=(it,))
        inner.start()
        inner.join()

    def sets(it):
        for call in (
            lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
            lambda: signal.set_wakeup_fd(-1),
        ):
            with pytest.raises(ValueError, match="only works in main thread") as told:
                call()
            it.note(str(told.value))

    with logged() as it:
        it.sim.host("a").start(main, it).join()

    end = "only works in main thread of the main interpreter"
    assert it.log == [(0.0, f"signal {end}"), (0.0, f"set_wakeup_fd {end}")]


def test_wrong_arguments_are_refused_as_ever(logged):
    def main(it):
        for args in ((), (1, 2, 3), (999, signal.SIG_DFL), (15, 7), (9, signal.SIG_IGN)):
            try:
                signal.signal(*args)
            except (TypeError, ValueError, OSError) as error:
                it.note(type(error).__name__)

    with logged() as it:
        it.sim.host("a").start(main, it).join()

    assert [name for _, name in it.log] == [
        "TypeError", "TypeError", "ValueError", "TypeError", "OSError",
    ]  # fmt: skip


def test_what_is_ignored_and_who_has_ended(logged):
    def main(it):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        it.note(signal.signal(signal.SIGTERM, signal.SIG_IGN))
        time.sleep(2)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.terminate()
        process.join()
        process.kill()
        process.pause()
        process.resume()
        it.note(process.exitcode, process.join(timeout=3))

    assert it.log == [(0.0, signal.SIG_IGN), (2.0, 0, True)]


def test_wrong_arguments_of_what_is_a_process_own(logged):
    def main(it):
        for call in (
            lambda: os._exit("x"),
            lambda: _signal.signal(15),
            os._exit,
            lambda: atexit.register(3),
            lambda: signal.set_wakeup_fd(-1, wrong=1),
            lambda: signal.set_wakeup_fd(10**6),
            lambda: signal.getsignal(999),
        ):
            try:
                call()
            except (TypeError, ValueError, OSError) as error:
                it.note(type(error).__name__)
        atexit.register(it.note, "kept")
        atexit.register(it.note.__func__, "dropped")
        atexit.unregister(it.note.__func__)

    with logged() as it:
        it.sim.host("a").start(main, it).join()

    assert [name for _, name in it.log] == [
        "TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "OSError", "ValueError",
        "kept",
    ]  # fmt: skip


def test_what_is_no_signal():
    with simclock.Simulation() as sim:
        process = sim.host("a").start(time.sleep, 1)
        with pytest.raises(ValueError, match=r"this is no signal: 999\ngive one such as"):
            process.send_signal(999)


# ------------------------------------------------------------------------------- pauses


def test_a_pause_stops_the_world_of_a_process_and_the_clock_goes_on(logged):
    def main(it):
        threading.Thread(target=ticks, args=(it,), daemon=True).start()
        with lock:
            it.note("owned")
        time.sleep(30)

    def ticks(it):
        while True:
            time.sleep(4)
            it.note("tick")

    lock = threading.Lock()
    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(5)
        process.pause()
        process.pause()
        it.note(process.state)
        time.sleep(10)
        process.resume()
        process.resume()
        it.note(process.state)
        process.join()

    assert it.log == [
        (0.0, "owned"),
        (4.0, "tick"),
        (5.0, "paused"),
        (15.0, "running"),
        (15.0, "tick"),
        (19.0, "tick"),
        (23.0, "tick"),
        (27.0, "tick"),
    ]


def test_what_a_paused_process_waits_for_is_there_when_it_goes_on(logged):
    def main(it):
        with lock:
            it.note("locked")
        it.note(connection.recv(10))
        event.wait()
        it.note("event")

    lock, event = threading.Lock(), threading.Event()
    mine, connection = socket.socketpair()
    with mine, connection, logged() as it:
        lock.acquire()
        process = it.sim.host("a").start(main, it)
        process.pause()
        lock.release()
        mine.sendall(b"hello")
        event.set()
        time.sleep(5)
        it.note("before")
        process.resume()
        process.join()

    assert it.log == [(5.0, "before"), (5.0, "locked"), (5.0, b"hello"), (5.0, "event")]


def test_a_process_that_stops_itself_is_continued_by_another(logged):
    def main(it):
        it.note("before")
        os.kill(os.getpid(), signal.SIGSTOP)
        it.note("after")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(2)
        it.note(process.state)
        os.kill(process.pid, signal.SIGCONT)
        process.join()

    assert it.log == [(0.0, "before"), (2.0, "paused"), (2.0, "after")]


def test_a_signal_waits_for_the_end_of_a_pause_but_a_kill_does_not(logged):
    def main(it):
        signal.signal(signal.SIGTERM, lambda *_: it.note("handled"))
        time.sleep(100)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.pause()
        process.terminate()
        time.sleep(1)
        process.resume()
        time.sleep(1)
        process.pause()
        process.kill()
        it.note(process.exitcode, process.join())

    assert it.log == [(1.0, "handled"), (2.0, -9, True)]


def test_a_deadlock_tells_which_process_stands_still():
    with pytest.raises(simclock.Deadlock) as told, simclock.Simulation() as sim:
        process = sim.host("a").start(time.sleep, 5)
        process.pause()
        process.join()

    assert "process a/sleep stands still: resume() lets it go on" in str(told.value)
    assert "root (0), waits for process a/sleep, owned by a/sleep (0.1)" in str(told.value)


def test_who_was_killed_does_not_stand_still_any_more():
    with pytest.raises(simclock.Deadlock) as told, simclock.Simulation() as sim:
        process = sim.host("a").start(time.sleep, 5)
        process.pause()
        process.kill()
        threading.Event().wait()

    assert "stands still" not in str(told.value)


def test_who_runs_is_not_resumed_and_who_stands_still_not_paused(logged):
    with logged() as it:
        process = it.sim.host("a").start(time.sleep, 1)
        for do in (process.resume, process.pause, process.pause, process.resume, process.resume):
            do()
        process.join()
        process.resume()
        marks = [detail for _, _, kind, detail in it.sim.trace if kind == "mark"]

    assert marks == ["pause a/sleep", "resume a/sleep", "exit 0 a/sleep"]


@pytest.mark.parametrize("strategy", ["random", "pct", "pos", "portfolio"])
def test_pauses_and_signals_at_any_step(strategy):
    def scenario():
        done = []

        def main():
            signal.signal(signal.SIGUSR1, lambda *_: done.append("signal"))
            ready.set()
            for number in range(3):
                with lock:
                    done.append(number)
                time.sleep(0.1)

        lock, ready = threading.Lock(), threading.Event()
        process = simclock.active().host("a").start(main)
        ready.wait()
        for _ in range(2):
            process.pause()
            process.send_signal(signal.SIGUSR1)
            before = len(done)
            time.sleep(0.05)
            assert len(done) == before
            process.resume()
        process.join()
        assert process.exitcode == 0
        assert [each for each in done if each != "signal"] == [0, 1, 2]
        # Two are one where it has not had a turn in between.
        assert done.count("signal") in {1, 2}

    report = simclock.explore(scenario, runs=100, strategy=strategy)
    assert report.failure is None, str(report)


# ------------------------------------------------------------------- handlers that wait


def test_who_is_killed_while_its_handler_waits_never_goes_on(logged):
    def main(it):
        signal.signal(signal.SIGTERM, lambda *_: time.sleep(5))
        time.sleep(100)
        it.note("never")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.terminate()
        time.sleep(1)
        process.kill()
        it.note(process.exitcode)
        time.sleep(200)

    assert it.log == [(1.0, -9)]


def test_who_is_paused_while_its_handler_waits_stands_still(logged):
    def handle(it):
        time.sleep(5)
        it.note("handled")

    def main(it):
        signal.signal(signal.SIGTERM, lambda *_: handle(it))
        with lock:
            it.note("locked")
        time.sleep(1)
        it.note("slept")

    lock = threading.Lock()
    with logged() as it, lock:
        process = it.sim.host("a").start(main, it)
        process.terminate()
        time.sleep(1)
        process.pause()
        lock.release()
        time.sleep(10)
        it.note("resumed")
        process.resume()
        process.join()
        lock.acquire()

    assert it.log == [(11.0, "resumed"), (11.0, "handled"), (11.0, "locked"), (12.0, "slept")]


def test_what_comes_while_a_handler_waits_is_there_after_it(logged):
    def main(it):
        signal.signal(signal.SIGTERM, lambda *_: time.sleep(5))
        it.note(lock.acquire(timeout=2))

    lock = threading.Lock()
    with logged() as it:
        lock.acquire()
        process = it.sim.host("a").start(main, it)
        process.terminate()
        time.sleep(1)
        lock.release()
        process.join()

    assert it.log == [(5.0, True)]


def test_a_process_interrupts_itself_and_goes_on_where_it_handles_that(logged):
    def main(it):
        signal.signal(signal.SIGUSR1, lambda *_: it.note("handled"))
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        time.sleep(1)
        try:
            _thread.interrupt_main()
            time.sleep(1)
        except KeyboardInterrupt:
            it.note("interrupted")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _thread.interrupt_main(signal.SIGINT)
        time.sleep(1)

    with logged() as it:
        it.sim.host("a").start(main, it).join()
        it.note("over")

    assert it.log == [(0.0, "handled"), (1.0, "interrupted"), (2.0, "over")]


def test_a_signal_to_a_thread_goes_to_its_process(logged):
    def main():
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        time.sleep(1)

    with logged() as it:
        process = it.sim.host("a").start(main)
        process.join()
        it.note(process.exitcode)

    assert it.log == [(0.0, -15)]


# -------------------------------------------------------------------------------- timers


def test_each_process_has_an_interval_timer_of_its_own(logged):
    def main(it, name, first, interval):
        def ring(number, _):
            it.note(name, signal.Signals(number).name)

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, first, interval)
        time.sleep(2)
        it.note(name, *signal.getitimer(signal.ITIMER_REAL))
        time.sleep(1.2)

    with logged() as it:
        host = it.sim.host("a")
        host.start(main, it, "one", 1.5, 0)
        host.start(main, it, "other", 1, 1.25)
        time.sleep(1)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        time.sleep(9)

    # They ring no more when their processes have ended.
    assert it.log == [
        (1.0, "other", "SIGALRM"),
        (1.5, "one", "SIGALRM"),
        (2.0, "one", 0.0, 0.0),
        (2.0, "other", 0.25, 1.25),
        (2.25, "other", "SIGALRM"),
    ]


def test_an_alarm_that_nobody_handles_ends_its_process_and_no_other(logged):
    with logged() as it:
        host = it.sim.host("a")

        def main():
            threading.Thread(target=time.sleep, args=(99,)).start()
            signal.alarm(2)
            time.sleep(99)

        def deaf():
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            signal.alarm(1)
            time.sleep(5)

        ended, going_on = host.start(main), host.start(deaf)
        ended.join()
        it.note(ended.exitcode, going_on.state)
        going_on.join()
        it.note(going_on.exitcode)

    assert it.log == [(2.0, -signal.SIGALRM, "running"), (5.0, 0)]


def test_an_alarm_of_a_process_that_stands_still_is_late(logged):
    def main(it):
        signal.signal(signal.SIGALRM, lambda *_: it.note("rings"))
        signal.alarm(1)
        time.sleep(9)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(0.5)
        process.pause()
        time.sleep(3)
        process.resume()
        process.join()

    assert it.log == [(3.5, "rings")]


def test_a_process_pauses_until_one_of_its_handlers_was_called(logged):
    def main(it):
        signal.signal(signal.SIGUSR1, lambda *_: it.note("handled"))
        signal.pause()
        it.note("goes on")
        signal.signal(signal.SIGALRM, lambda *_: it.note("rings"))
        signal.alarm(2)
        signal.pause()
        it.note("goes on")

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(1)
        # It is not handled.
        process.send_signal(signal.SIGCONT)
        time.sleep(1)
        process.send_signal(signal.SIGUSR1)
        process.join()

    assert it.log == [(2.0, "handled"), (2.0, "goes on"), (4.0, "rings"), (4.0, "goes on")]


def test_a_limit_tells_of_the_timers_of_processes():
    def main():
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 1, 1)
        threading.Event().wait()

    with (
        pytest.raises(simclock.LimitReached, match=r"armed at test_signals\.py:") as told,
        simclock.Simulation(max_time=30) as sim,
    ):
        sim.host("a").start(main).join()

    assert "only a timer runs: this looks like a deadlock" in str(told.value)


def test_a_timer_that_rings_while_its_process_stands_still_has_rung_once(logged):
    def main(it):
        signal.signal(signal.SIGALRM, lambda *_: it.note("rings"))
        signal.setitimer(signal.ITIMER_REAL, 1, 1)
        time.sleep(6.5)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(1.5)
        process.pause()
        time.sleep(4)
        process.resume()
        process.join()

    assert it.log == [(1.0, "rings"), (5.5, "rings"), (6.0, "rings")]


def test_what_is_done_about_a_signal_is_decided_when_it_is_delivered(logged):
    def main(it):
        signal.signal(signal.SIGALRM, lambda *_: it.note("rings"))
        signal.alarm(1)
        signal.signal(signal.SIGUSR1, ignore)
        time.sleep(9)

    def ignore(*_):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(0.5)
        process.pause()
        process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        process.resume()
        process.join()

    assert it.log == []


of_all_processes = threading.Lock()


def test_who_is_to_be_killed_handles_no_signals_any_more(logged):
    def main(it):
        signal.signal(signal.SIGALRM, lambda *_: it.note("rings"))
        signal.signal(signal.SIGUSR1, lambda *_: it.note("handled"))
        signal.setitimer(signal.ITIMER_REAL, 1, 1)
        with of_all_processes:
            time.sleep(3)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        time.sleep(0.5)
        process.kill()
        process.send_signal(signal.SIGUSR1)
        process.join()
        it.note(process.exitcode)

    assert it.log == [(3.0, -9)]


# ------------------------------------------------------------------------ at the end


def test_a_handler_that_raises_at_the_end_of_a_process_ends_it(logged):
    def main():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        threading.Thread(target=time.sleep, args=(9,)).start()

    with logged() as it:
        process = it.sim.host("a").start(main)
        time.sleep(1)
        process.terminate()
        it.note(process.join(timeout=20), process.exitcode, process.state)

    assert it.log == [(1.0, True, 0, "ended")]


def test_an_error_at_the_end_of_a_process_is_told_and_the_rest_is_done(logged, capsys):
    def main(it):
        atexit.register(it.note, "the first")
        atexit.register(divmod, 1, 0)
        atexit.register(sys.exit, 3)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.join()
        it.note(process.exitcode)

    assert it.log == [(0.0, "the first"), (0.0, 0)]
    assert capsys.readouterr().err.splitlines()[-1].startswith("ZeroDivisionError")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda reader, writer: [os.close(reader), os.close(writer)], "Bad file descriptor"),
        (lambda _, writer: os.write(writer, b"x" * 2**20), ""),
    ],
)
def test_a_wakeup_descriptor_that_takes_nothing_keeps_no_handler(logged, capsys, spoil, said):
    def main(it):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, lambda *_: it.note("handled"))
        spoil(reader, writer)
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(1)

    with logged() as it:
        process = it.sim.host("a").start(main, it)
        process.join()
        it.note(process.exitcode)

    assert it.log == [(0.0, "handled"), (1.0, 0)]
    assert said in capsys.readouterr().err

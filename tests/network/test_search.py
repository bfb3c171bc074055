"""Searches of schedules go across the network, and what they find can be repeated."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

import simclock


def stock(amounts):
    """Serve readings and settings of an amount, one connection after the other."""

    def handle(sock):
        with sock:
            while data := sock.recv(100):
                if data.startswith(b"set"):
                    amounts.append(int(data[3:]))
                sock.sendall(b"%d" % amounts[-1])

    with socket.create_server(("", 8080)) as listener:
        for _ in range(2):
            sock, _ = listener.accept()
            threading.Thread(target=handle, args=(sock,)).start()


def take_one():
    with socket.create_connection(("stock", 8080)) as sock:
        sock.sendall(b"get")
        amount = int(sock.recv(100))
        sock.sendall(b"set%d" % (amount - 1))
        sock.recv(100)


def scenario(**traits):
    amounts = [10]
    sim = simclock.active()
    sim.host("stock")
    sim.network.set(**traits)
    processes = [sim.host("stock").start(stock, amounts)]
    sim.settle()
    processes += [sim.host(name).start(take_one) for name in ("one", "other")]
    for each in processes:
        each.join()
    assert amounts[-1] == 8


@pytest.mark.parametrize("strategy", ["random", "pct", "portfolio"])
@pytest.mark.parametrize("traits", [{}, {"latency": 0.01}], ids=["plain", "slow"])
def test_a_lost_update_is_found_and_repeats(strategy, traits):
    def lost_update():
        scenario(**traits)

    report = simclock.explore(lost_update, runs=300, strategy=strategy)

    assert report.failure is not None, str(report)
    token = report.failure.token
    with pytest.raises(AssertionError):
        simclock.replay(lost_update, token)


def test_a_search_that_finds_nothing_repeats_its_runs():
    def fine():
        with contextlib.suppress(AssertionError):
            scenario(latency=0.01, jitter=0.005)

    simclock.check(fine, runs=5)
    assert simclock.explore(fine, runs=100, strategy="random").failure is None

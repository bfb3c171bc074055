"""Faults of the simulated network, if there is one."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import simclock


def test_a_plan_changes_real_links_and_puts_them_right():
    def latencies(*pairs):
        return [sim.network.traits(one, other).latency for one, other in pairs]

    with simclock.Simulation() as sim:
        for name in "abc":
            sim.host(name)
        sim.network.set("a", "c", latency=0.5)
        plan = "at 1 s slow a | b, c for 2 s by 0.25\nat 2 s slow c | a by 1"
        with sim.faults.follow(plan):
            time.sleep(1.5)
            assert latencies("ab", "ba", "ac", "bc") == [0.25, 0.25, 0.75, 0.0]
            time.sleep(2)
            assert latencies("ab", "ca") == [0.0, 1.5]
        assert latencies("ab", "ac", "ca") == [0.0, 0.5, 0.5]


def service():
    """A client asks a server again and again, whatever happens to them."""
    sim = simclock.active()
    answers = []

    def serve():
        with socket.create_server(("0.0.0.0", 80)) as server:
            while True:
                peer, _ = server.accept()
                threading.Thread(target=answer, args=[peer], daemon=True).start()

    def answer(peer):
        with peer, contextlib.suppress(OSError):
            while data := peer.recv(100):
                peer.sendall(data)

    def ask():
        while True:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("server", 80), timeout=1) as peer,
            ):
                while True:
                    peer.sendall(b"?")
                    if not peer.recv(1):
                        break
                    answers.append(sim.elapsed)
                    time.sleep(0.5)
            time.sleep(0.5)

    hosts = server, client, other = [sim.host(name) for name in ("server", "client", "other")]
    server.start(serve)
    client.start(ask)
    pair = [server, client]
    with sim.faults.phase(kill=pair, partition=hosts, reset=pair, slow=pair, skew=[other]):
        time.sleep(20)
    end = sim.elapsed
    sim.faults.recovers(lambda: answers[-1:] > [end], "the client has an answer", within=20)
    for host in pair:
        host.kill()


def test_a_program_that_tries_again_recovers_from_everything():
    report = simclock.explore(service, strategy="random", runs=30)

    assert report.verdict == "passed", str(report)
    kinds = {each.kind for each in report.evidence.faults}
    assert kinds == {"kill", "partition", "reset", "slow", "skew"}

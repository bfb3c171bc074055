"""Datagrams take as long as the link says, get lost, come twice, and overtake each other."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time

import pytest
import trio


def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def hear(log):
    with udp() as sock:
        sock.bind(("", 9999))
        while True:
            log(int(sock.recv(100)))


def program(sim, log, send, traits):
    sim.host("a"), sim.host("b")
    sim.network.set("a", "b", **traits)
    b = sim.host("b").start(hear, log)
    sim.settle()
    sim.host("a").start(send).join()
    sim.sleep(10)
    b.kill()


def send_threads(count=3):
    with udp() as sock:
        for number in range(count):
            sock.sendto(b"%d" % number, ("b", 9999))
            time.sleep(0.01)


def send_connected():
    with udp() as sock:
        sock.connect(("b", 9999))
        sock.send(b"0")
        time.sleep(0.01)
        sock.sendall(b"1")
        time.sleep(0.01)
        sock.sendmsg([b"", b"2"])


def send_asyncio():
    async def send():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("b", 9999)
        )
        for number in range(3):
            transport.sendto(b"%d" % number)
            await asyncio.sleep(0.01)
        transport.close()

    asyncio.run(send())


def send_trio():
    async def send():
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(3):
                await sock.sendto(b"%d" % number, ("b", 9999))
                await trio.sleep(0.01)

    trio.run(send)


SENDERS = (send_threads, send_connected, send_asyncio, send_trio)


@pytest.mark.parametrize("send", SENDERS, ids=lambda send: send.__name__)
def test_each_takes_the_latency(logged, send):
    assert logged(program, send, {"latency": 0.5}) == [(0.5, 0), (0.51, 1), (0.52, 2)]


def many():
    send_threads(1000)


def test_a_share_is_lost(logged):
    heard = [what for _, what in logged(program, many, {"loss": 0.2})]

    assert heard == sorted(set(heard))
    assert 750 < len(heard) < 850


def test_a_share_comes_twice(logged):
    heard = [what for _, what in logged(program, many, {"duplicate": 0.2})]

    assert sorted(set(heard)) == list(range(1000))
    assert 1150 < len(heard) < 1250


def test_a_share_is_overtaken(logged):
    traits = {"reorder": 0.2, "latency": 0.015}
    heard = [what for _, what in logged(program, many, traits)]

    assert sorted(heard) == list(range(1000))
    late = sum(one > other for one, other in itertools.pairwise(heard))
    assert 100 < late < 250


def test_seeds_differ_and_repeat(logged):
    runs = [logged(program, many, {"loss": 0.5}, seed=seed, times=1) for seed in (1, 2, 1)]

    assert runs[0] == runs[2] != runs[1]


def test_under_a_partition_each_is_lost_also_what_was_under_way(logged):
    def cut(sim, log):
        sim.network.set(latency=0.015)
        b = sim.host("b").start(hear, log)
        sim.settle()
        a = sim.host("a").start(send_threads, 5)
        sim.sleep(0.02)
        sim.network.partition("a", "b")
        sim.sleep(0.02)
        sim.network.heal()
        a.join()
        sim.sleep(1)
        b.kill()

    # Those of 0.01 and 0.02 would have arrived while it was cut.
    assert logged(cut) == [(0.015, 0), (0.045, 3), (0.055, 4)]


@pytest.mark.parametrize(("traits", "instant"), [({}, 0.0), ({"latency": 0.5}, 1.0)])
def test_the_reply_finds_its_way(logged, traits, instant):
    def echo():
        with udp() as sock:
            sock.bind(("", 9999))
            data, peer = sock.recvfrom(100)
            sock.sendto(data.upper(), peer)

    def ask(log):
        with udp() as sock:
            sock.sendto(b"hello", ("b", 9999))
            data, (host, port) = sock.recvfrom(100)
            log((data, host, port))

    def both(sim, log):
        if traits:
            sim.network.set(**traits)
        b = sim.host("b").start(echo)
        sim.host("a").start(ask, log).join()
        b.join()

    assert logged(both) == [(instant, (b"HELLO", "127.1.0.1", 9999))]


def test_errors_are_those_of_the_original(logged, outcome):
    def send(log):
        with udp() as sock:
            log(outcome(sock.sendto, b"x" * 70_000, ("b", 9999)))
            log(outcome(sock.sendto, b"x", ("b", -1)))
            log(outcome(sock.sendto, "x", ("b", 9999)))
            log(outcome(sock.sendto, b"x"))
            log(outcome(sock.sendto, b"x", "b"))
            log(outcome(sock.send, b"x"))
            sock.connect(("b", 9999))  # nobody is there: an error comes back with the next call
            log(outcome(sock.send, b"x"))
            time.sleep(1)
            log(outcome(sock.send, b"x")[0])

    def errors(sim, log):
        sim.host("b")
        for traits in ({}, {"latency": 0.25}):
            sim.network.set(**traits)
            sim.host("a").start(send, log).join()

    found = [what for _, what in logged(errors)]

    assert found[:8] == found[8:]
    assert found[0] == (OSError, "[Errno 90] Message too long")
    assert found[-1] is ConnectionRefusedError

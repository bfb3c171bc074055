"""Whatever links are like, the bytes of each stream arrive complete and in order."""

from __future__ import annotations

import socket
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simclock import Simulation

TRAITS = st.fixed_dictionaries(
    {
        "latency": st.sampled_from([0.0, 0.001, 0.5, 3.0]),
        "jitter": st.sampled_from([0.0, 0.002, 2.0]),
        "bandwidth": st.sampled_from([None, 1000, 100_000]),
    }
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), TRAITS, st.booleans()),
        st.tuples(st.sampled_from(["partition", "hold"]), st.booleans()),
        st.tuples(st.sampled_from(["heal", "release"])),
    ),
    max_size=8,
)
PIECES = st.lists(st.integers(1, 3000), min_size=1, max_size=8)


def serve(got):
    with socket.create_server(("", 8080)) as listener:
        sock, _ = listener.accept()
        with sock:
            while data := sock.recv(1000):
                got.append(data)
                sock.sendall(data[::-1])


def talk(pieces, got):
    with socket.create_connection(("b", 8080)) as sock:
        for number, size in enumerate(pieces):
            sock.sendall(bytes([number]) * size)
            time.sleep(0.3)
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(1000):
            got.append(data)


def happen(network, event):
    name, *rest = event
    if name == "set":
        network.set("a", "b", one_way=rest[1], **rest[0])
    elif rest:
        getattr(network, name)("a", "b", one_way=rest[0])
    else:
        getattr(network, name)()


def outcome(pieces, events, seed):
    there, back = [], []
    with Simulation(seed=seed) as sim:
        processes = [
            sim.host("b").start(serve, there),
            sim.host("a").start(talk, pieces, back),
        ]
        for event in events:
            happen(sim.network, event)
            sim.sleep(0.4)
        sim.network.heal()
        sim.network.release()
        for each in processes:
            each.join()
        assert sim.network.in_flight() == ()
        assert sim.escapes == ()
    return b"".join(there), b"".join(back), sim.elapsed, sim.trace.digest


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(pieces=PIECES, events=EVENTS, seed=st.integers(0, 10))
def test_streams_are_complete_and_in_order_and_the_same_each_time(pieces, events, seed):
    sent = b"".join(bytes([number]) * size for number, size in enumerate(pieces))

    first = outcome(pieces, events, seed)

    assert first[0] == sent
    assert len(first[1]) == len(sent)
    assert sorted(first[1]) == sorted(sent)
    assert outcome(pieces, events, seed) == first

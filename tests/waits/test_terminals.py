"""Pseudo-terminals: what is written to one end is at the other only after a while of real time."""

from __future__ import annotations

import os
import select

from simclock import Simulation


def test_no_timeout_strikes_while_bytes_are_on_their_way():
    lost = 0
    for _ in range(100):
        with Simulation() as sim:
            master, slave = os.openpty()
            with select.epoll() as epoll:
                epoll.register(master, select.EPOLLIN)
                for _ in range(3):
                    os.write(slave, b"1")
                    if not epoll.poll(0.001):
                        lost += 1
                        break
                    os.read(master, 10)
            os.close(master)
            os.close(slave)
        assert sim.escapes == ()

    assert lost == 0


def test_the_clock_goes_on_when_nobody_reads():
    with Simulation() as sim:
        master, slave = os.openpty()
        os.write(slave, b"1")
        with select.epoll() as epoll:
            epoll.register(slave, select.EPOLLIN)
            assert not epoll.poll(1)
        os.close(master)
        os.close(slave)

    assert sim.elapsed == 1.0

"""Polling sockets: what is wrong is said as ever, and what is left behind at the end does no harm."""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import threading
import time

import pytest

from simclock import Deadlock, Leak, Simulation


def closed():
    sock = socket.socket()
    sock.close()
    return sock


def polled(register):
    poll = select.poll()
    register(poll)
    return poll.poll(10)


def epolled(use):
    with select.epoll() as epoll:
        return use(epoll)


def closed_epoll():
    epoll = select.epoll()
    epoll.close()
    return epoll.poll(1)


WRONG = {
    "a closed socket to select": lambda: select.select([closed()], [], [], 1),
    "a negative descriptor": lambda: select.select([-1], [], [], 1),
    "a descriptor that is too big": lambda: select.select([1 << 20], [], [], 1),
    "a descriptor that is not open": lambda: select.select([999], [], [], 1),
    "no descriptor": lambda: select.select(["x"], [], [], 1),
    "no list": lambda: select.select(1, [], [], 1),
    "nothing to select": lambda: select.select([], []),
    "a timeout that is too long": lambda: select.select([], [], [], 1e300),
    "a timeout that is no number": lambda: select.select([], [], [], float("nan")),
    "registering nothing": lambda: polled(lambda poll: poll.register()),
    "registering a negative": lambda: polled(lambda poll: poll.register(-1)),
    "registering a closed socket": lambda: polled(lambda poll: poll.register(closed())),
    "polling what is not open": lambda: polled(lambda poll: poll.register(999)),
    "a mask that is none": lambda: polled(lambda poll: poll.register(0, "x")),
    "modifying what is not there": lambda: polled(lambda poll: poll.modify(0, 1)),
    "unregistering what is not there": lambda: polled(lambda poll: poll.unregister(0)),
    "a number of events that is none": lambda: epolled(lambda epoll: epoll.poll(1, 0)),
    "a timeout that is none": lambda: epolled(lambda epoll: epoll.poll("x")),
    "a closed epoll": closed_epoll,
    **{
        f"{name} for {seconds} seconds": functools.partial(poll, seconds)
        for seconds in (float("nan"), float("inf"), float("-inf"), 1e300, 2**31, 1e10)
        for name, poll in {
            "an epoll": lambda seconds: epolled(lambda epoll: epoll.poll(seconds)),
            "a poll": lambda seconds: select.poll().poll(seconds * 1000),
        }.items()
    },
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_as_ever(outcome, wrong):
    said = outcome(WRONG[wrong])

    with Simulation():
        assert outcome(WRONG[wrong]) == said


@pytest.mark.parametrize("kind", ["select", "poll", "epoll"])
def test_a_poll_that_nobody_answers_is_a_deadlock(pair, kind):
    one, _ = pair

    def ask():
        if kind == "select":
            select.select([one], [], [])
        elif kind == "poll":
            poll = select.poll()
            poll.register(one, select.POLLIN)
            poll.poll()
        else:
            with select.epoll() as epoll:
                epoll.register(one, select.EPOLLIN)
                epoll.poll()

    with pytest.raises(Deadlock, match=r"root \(0\), waits for poll, since \+0 s"), Simulation():
        ask()


def test_an_edge_is_told_once(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other, select.epoll() as epoll:
            epoll.register(one, select.EPOLLIN | select.EPOLLET)
            timer = threading.Timer(1, other.sendall, (b"x",))
            timer.start()
            log(epoll.poll() == [(one.fileno(), select.EPOLLIN)])
            log(epoll.poll(1))
            timer.join()

    assert logged(program) == [(1.0, True), (2.0, [])]


def test_a_one_shot_is_told_once(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other, select.epoll() as epoll:
            epoll.register(one, select.EPOLLIN | select.EPOLLONESHOT)
            timer = threading.Timer(1, other.sendall, (b"x",))
            timer.start()
            log(len(epoll.poll(5)))
            log(len(epoll.poll(1)))
            epoll.modify(one, select.EPOLLIN | select.EPOLLONESHOT)
            log(len(epoll.poll(5)))
            timer.join()

    assert logged(program) == [(1.0, 1), (2.0, 0), (2.0, 1)]


def test_two_threads_poll_one_socket(logged):
    def program(log):
        one, other = socket.socketpair()

        def wait(seconds):
            log((seconds, len(select.select([one], [], [], seconds)[0])))

        with one, other:
            threads = [threading.Thread(target=wait, args=(s,)) for s in (1, 5, 7)]
            for thread in threads:
                thread.start()
            time.sleep(2)
            other.sendall(b"x")
            for thread in threads:
                thread.join()

    assert logged(program) == [(1.0, (1, 0)), (2.0, (5, 1)), (2.0, (7, 1))]


def _select_it(sock, other):
    return [len(found) for found in select.select([sock, other], [], [], 5)]


def _select_its_number(sock, other):
    return [len(found) for found in select.select([sock.fileno(), other], [], [], 5)]


@pytest.mark.parametrize("wait", [_select_it, _select_its_number])
def test_what_another_thread_closes_meanwhile_is_waited_for_no_more(logged, wait):
    """As on Linux. And what is wrong with it is no matter of the thread that looks."""

    def program(log):
        one, other = socket.socketpair()
        third, fourth = socket.socketpair()
        with one, other, third, fourth:
            thread = threading.Thread(target=lambda: log(wait(one, third)))
            thread.start()
            time.sleep(1)
            one.close()
            time.sleep(1)
            fourth.sendall(b"x")
            time.sleep(1)
            log("still here")
            thread.join()

    assert logged(program) == [(2.0, [1, 0, 0]), (3.0, "still here")]


def test_an_epoll_that_another_thread_closes_meanwhile_finds_nothing(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other, select.epoll() as epoll:
            epoll.register(one, select.EPOLLIN)
            thread = threading.Thread(target=lambda: log(epoll.poll(5)))
            thread.start()
            time.sleep(1)
            epoll.close()
            other.sendall(b"x")
            thread.join()

    assert logged(program) == [(5.0, [])]


class Number:
    """As the integers of other packages: no ``int``, but it stands for one."""

    def __init__(self, value):
        self._value = value

    def __index__(self):
        return self._value


def test_a_timeout_may_be_whatever_stands_for_an_integer(logged):
    def program(log):
        log(select.select([], [], [], Number(2)))
        log(select.poll().poll(Number(3000)))
        log(epolled(lambda epoll: epoll.poll(Number(4))))

    assert logged(program) == [(2.0, ([], [], [])), (5.0, []), (9.0, [])]


WAITS = {
    "recv": lambda sock: sock.recv(1),
    "accept": lambda sock: sock.accept(),
    "select": lambda sock: select.select([sock], [], []),
}


@pytest.mark.parametrize("wait", WAITS)
def test_daemons_that_wait_for_ever_end_with_the_simulation(wait):
    ended = []

    def serve():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            if wait == "recv":
                listener.close()
                one, other = socket.socketpair()
                with one, other:
                    _wait(one)
            else:
                _wait(listener)

    def _wait(sock):
        try:
            WAITS[wait](sock)
        finally:
            ended.append(wait)

    for _ in range(2):
        with Simulation():
            threading.Thread(target=serve, daemon=True).start()
            time.sleep(1)

    assert ended == [wait] * 2


def test_other_threads_that_wait_for_ever_are_leaks(pair):
    one, _ = pair
    with pytest.raises(Leak, match="waits for recv"), contextlib.ExitStack() as stack:
        stack.enter_context(Simulation())
        threading.Thread(target=one.recv, args=(1,)).start()
        time.sleep(1)

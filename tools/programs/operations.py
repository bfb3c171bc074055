"""What a thread of a random program does: one wait each, or one fault.

Each takes the world and a random generator, and returns what happened as a
text. What the operating system refuses is a result like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tools.programs.world import World

    Operation = Callable[[World, Random], str]

LARGE = 300_000


class Fault(Exception):
    """Raised where a program is to break."""


def _timeout(random: Random) -> float:
    return random.choice((0.0, 0.01, 0.3, 1.0, 2.5))


def sleep(_world: World, random: Random) -> str:
    time.sleep(_timeout(random))
    return "slept"


def send(world: World, random: Random) -> str:
    end = random.choice(world.ends)
    end.settimeout(_timeout(random) or None)
    return f"sent {end.send(b'x' * random.choice((1, 100, 5000)))}"


def send_much(world: World, random: Random) -> str:
    end = random.choice(world.ends)
    end.settimeout(_timeout(random) or 1.0)
    end.sendall(b"x" * LARGE)
    return "sent it all"


def receive(world: World, random: Random) -> str:
    end = random.choice(world.ends)
    end.settimeout(_timeout(random))
    return f"received {len(end.recv(random.choice((1, 100, 100_000))))}"


def receive_for_ever(world: World, random: Random) -> str:
    end = random.choice(world.ends)
    end.settimeout(None)
    return f"received {len(end.recv(100))}"


def connect_and_accept(world: World, random: Random) -> str:
    world.listener.settimeout(_timeout(random))
    with socket.create_connection(world.listener.getsockname(), timeout=1.0) as client:
        if random.random() < 0.5:
            accepted, _ = world.listener.accept()
            with accepted:
                client.sendall(b"hello")
                accepted.settimeout(1.0)
                return f"accepted {accepted.recv(10)!r}"
    return "connected"


def accept(world: World, random: Random) -> str:
    world.listener.settimeout(_timeout(random))
    accepted, _ = world.listener.accept()
    with accepted:
        accepted.settimeout(_timeout(random))
        return f"accepted {accepted.recv(10)!r}"


def send_datagram(world: World, random: Random) -> str:
    one, other = world.udp
    return f"sent {one.sendto(b'y' * random.randrange(20), other.getsockname())}"


def receive_datagram(world: World, random: Random) -> str:
    world.udp[1].settimeout(_timeout(random))
    return f"received {world.udp[1].recv(100)!r}"


def write(world: World, random: Random) -> str:
    _, ready, _ = select.select([], [world.writing], [], _timeout(random))
    return f"wrote {os.write(world.writing, b'z' * random.randrange(1, 4000))}" if ready else "full"


def read(world: World, random: Random) -> str:
    poller = select.poll()
    poller.register(world.reading, select.POLLIN)
    if not poller.poll(_timeout(random) * 1000):
        return "empty"
    return f"read {len(os.read(world.reading, random.randrange(1, 9000)))}"


def watch(world: World, random: Random) -> str:
    with select.epoll() as epoll:
        for number, end in enumerate(world.ends):
            if end.fileno() >= 0:
                epoll.register(end.fileno(), select.EPOLLIN | (select.EPOLLET * (number % 2)))
        return f"ready {len(epoll.poll(_timeout(random)))}"


def own_lock(world: World, random: Random) -> str:
    return _own(world.lock, random)


def own_semaphore(world: World, random: Random) -> str:
    return _own(world.semaphore, random)


def _own(lock: Any, random: Random) -> str:
    if not lock.acquire(timeout=_timeout(random)):
        return "not acquired"
    try:
        time.sleep(_timeout(random))
    finally:
        lock.release()
    return "acquired"


def own_file(world: World, random: Random) -> str:
    other = os.open(world.folder / "lock", os.O_RDWR)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | random.choice((0, fcntl.LOCK_NB)))
        time.sleep(_timeout(random))
    finally:
        os.close(other)
    return "locked"


def insert(world: World, random: Random) -> str:
    connection = sqlite3.connect(world.database, timeout=_timeout(random), isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("pragma synchronous = off")
        connection.execute("begin immediate")
        connection.execute("insert into log values (1)")
        time.sleep(_timeout(random))
        connection.execute("commit")
        return f"rows {connection.execute('select count(*) from log').fetchone()[0] > 0}"


def put(world: World, random: Random) -> str:
    world.queue.put(1, timeout=_timeout(random))
    return "put"


def get(world: World, random: Random) -> str:
    return f"got {world.queue.get(timeout=_timeout(random))}"


def wait_notified(world: World, random: Random) -> str:
    with world.condition:
        return f"notified {world.condition.wait(_timeout(random))}"


def notify(world: World, _random: Random) -> str:
    with world.condition:
        world.condition.notify_all()
    return "notified"


def run_loop(world: World, random: Random) -> str:
    end = random.choice(world.ends)
    end.setblocking(False)

    async def main() -> str:
        loop = asyncio.get_running_loop()
        sleeping = asyncio.create_task(asyncio.sleep(_timeout(random)))
        try:
            data = await asyncio.wait_for(loop.sock_recv(end, 100), _timeout(random))
        finally:
            await sleeping
        return f"received {len(data)}"

    return asyncio.run(main())


def run_child(_world: World, random: Random) -> str:
    seconds = random.choice((0, 0.01))
    child = [sys.executable, "-S", "-c", f"import time; time.sleep({seconds}); print('hello')"]
    done = subprocess.run(child, capture_output=True, timeout=5, check=False)
    return f"child said {done.stdout!r}"


# ------------------------------------------------------------------------------- faults


def shut_down(world: World, random: Random) -> str:
    random.choice(world.ends).shutdown(random.choice((socket.SHUT_RD, socket.SHUT_WR)))
    return "shut down"


def close(world: World, random: Random) -> str:
    random.choice(world.ends).close()
    return "closed"


def reset(world: World, random: Random) -> str:
    end = random.choice(world.ends)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
    return "reset"


def die(_world: World, _random: Random) -> str:
    raise Fault("the thread dies here")


def die_with_the_lock(world: World, random: Random) -> str:
    if world.lock.acquire(timeout=_timeout(random)):
        raise Fault("nobody will release it")
    return "not acquired"


def interrupt(_world: World, _random: Random) -> str:
    os.kill(os.getpid(), signal.SIGUSR1)
    return "interrupted the main thread"


def alarm(_world: World, random: Random) -> str:
    signal.setitimer(signal.ITIMER_REAL, _timeout(random))
    return "set an alarm"


WAITS: tuple[Operation, ...] = (
    sleep,
    send,
    send_much,
    receive,
    connect_and_accept,
    accept,
    send_datagram,
    receive_datagram,
    write,
    read,
    watch,
    own_lock,
    own_semaphore,
    own_file,
    insert,
    put,
    get,
    wait_notified,
    notify,
    run_loop,
)
RARE: tuple[Operation, ...] = (receive_for_ever, die_with_the_lock, run_child)
FAULTS: tuple[Operation, ...] = (shut_down, close, reset, die, interrupt, alarm)

"""Each blocking call of a socket waits in virtual time, and is otherwise what it ever was."""

from __future__ import annotations

import _thread
import array
import contextlib
import errno
import itertools
import os
import select
import selectors
import shutil
import socket
import struct
import threading
import time

import pytest

from simclock import Deadlock, Escape, Simulation
from simclock._boundary import outside, sockets

TIMED_OUT = "timed out"
MB = 1 << 20


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def after(seconds, function, *args):
    """Call *function* in a thread of its own, after so many seconds."""
    timer = threading.Timer(seconds, function, args)
    timer.start()
    return timer


# ------------------------------------------------------------------------- receiving

RECEIVES = {
    "recv": lambda sock: sock.recv(10),
    "recv_into": lambda sock: sock.recv_into(bytearray(10)),
    "recvfrom": lambda sock: sock.recvfrom(10),
    "recvfrom_into": lambda sock: sock.recvfrom_into(bytearray(10)),
    "recvmsg": lambda sock: sock.recvmsg(10),
    "recvmsg_into": lambda sock: sock.recvmsg_into([bytearray(10)]),
}
RECEIVED = {
    "recv": b"data",
    "recv_into": 4,
    "recvfrom": (b"data", None),
    "recvfrom_into": (4, None),
    "recvmsg": (b"data", [], 0, None),
    "recvmsg_into": (4, [], 0, None),
}


@pytest.mark.parametrize("method", RECEIVES)
@pytest.mark.parametrize("timeout", [None, 5.0])
def test_what_is_received_arrives_when_it_is_sent(logged, method, timeout):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            one.settimeout(timeout)
            timer = after(1.5, other.sendall, b"data")
            log(RECEIVES[method](one))
            timer.join()

    [(when, what)] = logged(program)

    assert when == 1.5
    # An unnamed peer is an empty string, bytes or None, by call and version.
    expected = RECEIVED[method]
    assert what == expected or (what[:-1] == expected[:-1] and not what[-1])


@pytest.mark.parametrize("method", RECEIVES)
def test_receiving_times_out_at_its_timeout(logged, outcome, method):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            one.settimeout(2.5)
            log(outcome(RECEIVES[method], one))

    assert logged(program) == [(2.5, (TimeoutError, (TIMED_OUT,)))]


@pytest.mark.parametrize("method", RECEIVES)
def test_a_non_blocking_socket_never_waits(logged, outcome, method):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            log(outcome(RECEIVES[method], one)[0])

    assert logged(program) == [(0.0, BlockingIOError)]


def test_end_of_stream(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            timer = after(1, other.close)
            log(one.recv(10))
            timer.join()

    assert logged(program) == [(1.0, b"")]


def test_flags_peek_and_dontwait(logged, outcome):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            log(outcome(one.recv, 10, socket.MSG_DONTWAIT)[0])
            one.settimeout(0.5)
            log(outcome(one.recv, 10, socket.MSG_DONTWAIT)[0])  # a timeout is stronger
            one.settimeout(None)
            timer = after(1, other.sendall, b"data")
            log(one.recv(10, socket.MSG_PEEK))
            log(one.recv(2, socket.MSG_PEEK))
            log(one.recv(10))
            timer.join()

    assert logged(program) == [
        (0.0, BlockingIOError),
        (0.5, TimeoutError),
        (1.5, b"data"),
        (1.5, b"da"),
        (1.5, b"data"),
    ]


def test_waitall_waits_for_all_of_it_or_the_end(logged):
    def program(log):
        one, other = socket.socketpair()

        def send():
            for piece in (b"ab", b"cd", b"ef", b"gh", b"i"):
                time.sleep(1)
                other.sendall(piece)
            other.close()

        with one:
            thread = threading.Thread(target=send)
            thread.start()
            log(one.recv(3, socket.MSG_WAITALL))
            buffer = bytearray(4)
            log((one.recv_into(buffer, 0, socket.MSG_WAITALL), bytes(buffer)))
            log(one.recv(9, socket.MSG_WAITALL))
            log(one.recv_into(buffer, flags=socket.MSG_WAITALL))
            thread.join()

    assert logged(program) == [
        (2.0, b"abc"),
        (4.0, (4, b"defg")),
        (5.0, b"hi"),
        (5.0, 0),
    ]


def test_waitall_lets_others_run(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            timers = [
                after(1, other.sendall, b"a"),
                after(2, log, "tick"),
                after(3, other.sendall, b"b"),
            ]
            log(one.recv(2, socket.MSG_WAITALL))
            for timer in timers:
                timer.join()

    assert logged(program) == [(2.0, "tick"), (3.0, b"ab")]


def test_descriptors_are_passed_with_recvmsg(logged):
    def program(log):
        one, other = socket.socketpair()
        reading, writing = os.pipe()
        with one, other:
            rights = array.array("i", [writing])
            timer = after(
                1, other.sendmsg, [b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
            )
            data, ancillary, _, _ = one.recvmsg(10, socket.CMSG_LEN(4))
            [(level, kind, packed)] = ancillary
            [fd] = array.array("i", packed)
            log((data, level == socket.SOL_SOCKET, kind == socket.SCM_RIGHTS))
            os.write(fd, b"through")
            log(os.read(reading, 10))
            timer.join()
            for each in (reading, writing, fd):
                os.close(each)

    assert logged(program) == [(1.0, (b"x", True, True)), (1.0, b"through")]


def test_send_fds_and_recv_fds(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            timer = after(1, socket.send_fds, other, [b"x"], [0])
            data, [fd], _, _ = socket.recv_fds(one, 10, 1)
            log(data)
            os.close(fd)
            timer.join()

    assert logged(program) == [(1.0, b"x")]


def test_files_of_a_socket(logged):
    def program(log):
        one, other = socket.socketpair()

        def speak():
            with other, other.makefile("w") as file:
                for word in ("one", "two"):
                    time.sleep(1)
                    print(word, file=file, flush=True)

        with one, one.makefile() as file:
            thread = threading.Thread(target=speak)
            thread.start()
            for line in file:
                log(line)
            log("end")
            thread.join()

    assert logged(program) == [(1.0, "one\n"), (2.0, "two\n"), (2.0, "end")]


def test_a_file_of_a_socket_with_a_timeout(logged, outcome):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            one.settimeout(2)
            with one.makefile("rb") as file:
                log(outcome(file.read, 4))
                log(outcome(file.read, 4))

    assert logged(program) == [
        (2.0, (TimeoutError, (TIMED_OUT,))),
        (2.0, (OSError, ("cannot read from timed out object",))),
    ]


# --------------------------------------------------------------------------- sending


@pytest.mark.parametrize("family", ["tcp", "unix"])
@pytest.mark.parametrize("timeout", [None, 5.0])
def test_many_megabytes_both_ways_at_once(logged, listener, together, family, timeout):
    data = os.urandom(1000) * 8000

    def program(log):
        if family == "tcp":
            one = socket.create_connection(listener.getsockname())
            other, _ = listener.accept()
        else:
            one, other = socket.socketpair()
        received = {}

        def talk(name, sock):
            def receive():
                pieces = []
                while piece := sock.recv(MB):
                    pieces.append(piece)
                received[name] = b"".join(pieces)

            reader = threading.Thread(target=receive)
            reader.start()
            sock.settimeout(timeout)
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            reader.join()

        with one, other:
            together(lambda: talk("one", one), lambda: talk("other", other))
        log(received == {"one": data, "other": data})

    # How many bytes a buffer takes at once is the system's, and so is the trace.
    assert logged(program, times=1) == [(0.0, True)]


def fill(sock):
    """Send until nothing more goes out."""
    timeout = sock.gettimeout()
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(65536))
    sock.settimeout(timeout)


SENDS = {
    "send": lambda sock: sock.send(b"data"),
    "sendall": lambda sock: sock.sendall(b"data"),
    "sendmsg": lambda sock: sock.sendmsg([b"da", b"ta"]),
}


@pytest.mark.parametrize("method", SENDS)
def test_sending_times_out_at_its_timeout(logged, outcome, method):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            fill(one)
            one.settimeout(1.5)
            log(outcome(SENDS[method], one))

    assert logged(program) == [(1.5, (TimeoutError, (TIMED_OUT,)))]


@pytest.mark.parametrize("method", SENDS)
@pytest.mark.parametrize("timeout", [None, 5.0])
def test_sending_waits_for_room(logged, method, timeout):
    def program(log):
        one, other = socket.socketpair()

        def drain():
            time.sleep(2)
            while other.recv(MB):
                pass

        with other:
            with one:
                fill(one)
                one.settimeout(timeout)
                thread = threading.Thread(target=drain)
                thread.start()
                log(SENDS[method](one))
            thread.join()

    [(when, sent)] = logged(program)

    assert (when, sent) == (2.0, None if method == "sendall" else 4)


def receive_later(sock, log):
    """Receive all there is, from one second on; log how much it was."""
    time.sleep(1)
    total = 0
    while piece := sock.recv(MB):
        total += len(piece)
    log(total)


@pytest.mark.parametrize("method", ["send", "sendmsg"])
def test_a_blocking_send_sends_all_of_it(logged, method):
    """As the system does; a socket with a timeout sends what there is room for."""

    def program(log):
        one, other = socket.socketpair()

        with other:
            thread = threading.Thread(target=receive_later, args=(other, log))
            thread.start()
            with one:
                big = bytes(4 * MB)
                log(one.send(big) if method == "send" else one.sendmsg([big[:MB], big[MB:]]))
                one.settimeout(1)
                log(0 < one.send(big) < 4 * MB)
                fill(one)
            thread.join()

    found = logged(program, times=1)

    assert found[:2] == [(1.0, 4 * MB), (1.0, True)]


def test_sending_to_one_who_is_gone(logged, outcome):
    def program(log):
        one, other = socket.socketpair()
        with one:
            other.close()
            for method in SENDS.values():
                log(outcome(method, one)[0])

    assert logged(program) == [(0.0, BrokenPipeError)] * 3


def test_dontwait_does_not_wait_for_room(logged, outcome):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            fill(one)
            log(outcome(one.send, b"data", socket.MSG_DONTWAIT)[0])
            log(outcome(one.sendmsg, [b"data"], [], socket.MSG_DONTWAIT)[0])

    assert logged(program) == [(0.0, BlockingIOError)] * 2


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_file_is_sent(logged, tmp_path, timeout):
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * MB))

    def program(log):
        one, other = socket.socketpair()

        with other:
            thread = threading.Thread(target=receive_later, args=(other, log))
            thread.start()
            with one, path.open("rb") as file:
                one.settimeout(timeout)
                sent = one.sendfile(file)
            log(sent)
            thread.join()

    assert sorted(logged(program, times=1)) == [(1.0, 3 * MB)] * 2


def test_a_file_is_sent_to_a_file(tmp_path):
    """So `shutil` copies files, and never tries again where it is told that this is no socket."""
    path = tmp_path / "file"
    path.write_bytes(bytes(MB))
    with Simulation():
        before = os.listdir("/proc/self/fd")
        shutil.copyfile(path, tmp_path / "copy")
        with path.open("rb") as file, (tmp_path / "sent").open("wb") as sent:
            assert os.sendfile(sent.fileno(), file.fileno(), 0, MB) == MB

        assert len(os.listdir("/proc/self/fd")) == len(before)

    assert (tmp_path / "copy").read_bytes() == (tmp_path / "sent").read_bytes() == bytes(MB)
    assert shutil._USE_CP_SENDFILE


# --------------------------------------------------- other threads, and what ends a wait


def test_shutdown_by_another_thread_ends_a_recv(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            timer = after(1.25, one.shutdown, socket.SHUT_RDWR)
            log(one.recv(10))
            timer.join()

    assert logged(program) == [(1.25, b"")]


def test_shutdown_by_another_thread_ends_an_accept(logged, outcome):
    def program(log):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            timer = after(1.25, listener.shutdown, socket.SHUT_RDWR)
            log(outcome(listener.accept)[1][0] == errno.EINVAL)
            timer.join()

    assert logged(program) == [(1.25, True)]


def test_close_by_another_thread_ends_no_wait(logged, outcome):
    """As on Linux; its timeout does."""

    def program(log):
        one, other = socket.socketpair()
        with one, other:
            one.settimeout(3)
            timers = [after(1, one.close), after(2, other.close)]
            log(outcome(one.recv, 10))
            for timer in timers:
                timer.join()

    assert logged(program) == [(3.0, (TimeoutError, (TIMED_OUT,)))]


def test_a_timeout_that_is_set_meanwhile_is_for_the_next_call(logged, outcome):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            one.settimeout(2)
            timer = after(1, one.settimeout, 5)
            log(outcome(one.recv, 10)[0])
            log(one.gettimeout())
            log(outcome(one.recv, 10)[0])
            timer.join()

    assert logged(program) == [(2.0, TimeoutError), (2.0, 5.0), (7.0, TimeoutError)]


def test_an_interrupt_ends_a_wait(log, pair):
    one, _ = pair
    with Simulation():
        timer = after(1.5, _thread.interrupt_main)
        with pytest.raises(KeyboardInterrupt):
            one.recv(10)
        log("interrupted")
        timer.join()

    assert log == [(1.5, "interrupted")]


def test_two_receivers_of_one_socket(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            threads = [threading.Thread(target=lambda: log(one.recv(1))) for _ in range(2)]
            for thread in threads:
                thread.start()
            for byte in (b"a", b"b"):
                time.sleep(1)
                other.sendall(byte)
            for thread in threads:
                thread.join()

    assert logged(program) == [(1.0, b"a"), (2.0, b"b")]


def test_a_recv_that_nobody_answers_is_a_deadlock(pair):
    one, _ = pair
    with pytest.raises(Deadlock) as found, Simulation():
        one.recv(10)

    first, second, *_ = str(found.value).splitlines()
    assert first == "deadlock: 1 thread can never run again, at virtual +0 s"
    assert second == "  root (0), waits for recv, since +0 s"


def test_an_accept_that_nobody_asks_is_a_deadlock(listener):
    with pytest.raises(Deadlock, match=r"root \(0\), waits for accept, since \+0 s"), Simulation():
        listener.accept()


# ---------------------------------------------------------------- connecting, accepting


def test_accept_waits_for_a_client(logged):
    def program(log):
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def come():
                time.sleep(1.5)
                socket.create_connection(listener.getsockname()).close()

            thread = threading.Thread(target=come)
            thread.start()
            conn, _ = listener.accept()
            with conn:
                log((conn.gettimeout(), conn.recv(1)))
            thread.join()

    assert logged(program) == [(1.5, (None, b""))]


def test_a_listener_that_was_made_before_the_simulation(log, listener):
    """Once a simulated thread has accepted there, nobody is waited for in real time."""

    def serve():
        for _ in range(2):
            conn, _ = listener.accept()
            time.sleep(2)
            conn.sendall(b"x")
            conn.close()

    with Simulation() as sim:
        thread = threading.Thread(target=serve)
        thread.start()
        for _ in range(2):
            sock = socket.create_connection(listener.getsockname(), timeout=20)
            threading.Thread(target=lambda sock=sock: (log(sock.recv(1)), sock.close())).start()
        thread.join()
        time.sleep(1)

    assert log == [(2.0, b"x"), (4.0, b"x")]
    assert sim.escapes == ()


def test_accept_times_out(logged, outcome):
    def program(log):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(2)
            log(outcome(listener.accept))
            listener.setblocking(False)
            log(outcome(listener.accept)[0])

    assert logged(program) == [(2.0, (TimeoutError, (TIMED_OUT,))), (2.0, BlockingIOError)]


def test_a_default_timeout(logged, outcome):
    def program(log):
        socket.setdefaulttimeout(1.5)
        try:
            one, other = socket.socketpair()
            with one, other:
                log(outcome(one.recv, 1)[0])
        finally:
            socket.setdefaulttimeout(None)

    assert logged(program) == [(1.5, TimeoutError)]


def test_connect_ex_returns_what_connect_raises(logged, outcome):
    def program(log):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as sock:
            address = listener.getsockname()
            log(sock.connect_ex(address))
            with socket.socket() as other:
                other.settimeout(1.5)
                log(other.connect_ex(address) == errno.EAGAIN)

    assert logged(program) == [(0.0, 0), (1.5, True)]


def test_a_listener_that_is_gone_refuses(logged, outcome):
    def program(log):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
        log(outcome(socket.create_connection, address, 5)[0])

    assert logged(program) == [(0.0, ConnectionRefusedError)]


def test_a_connection_is_reset_before_it_is_accepted(logged, outcome):
    def program(log):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection(listener.getsockname()) as sock:
                linger = struct.pack("ii", 1, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            conn, _ = listener.accept()
            with conn:
                log(outcome(conn.recv, 10)[0])

    assert logged(program) == [(0.0, ConnectionResetError)]


def test_what_else_goes_wrong_with_a_full_queue_is_said(logged, outcome, monkeypatch):
    """An attempt can fail at once where the one before it did not: there are no ports left."""

    def refuse(sock):
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    def program(log):
        with (
            socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
            socket.create_connection(listener.getsockname()),
        ):
            log(outcome(socket.create_connection, listener.getsockname())[1][0])

    monkeypatch.setattr(sockets, "give_up", refuse)

    assert logged(program) == [(0.0, errno.EADDRNOTAVAIL)]


@pytest.mark.parametrize("timeout", [None, 5.0, 0.0])
def test_connections_refused(logged, outcome, free_port, timeout):
    def program(log):
        for method in ("connect", "connect_ex"):
            with socket.socket() as sock:
                sock.settimeout(timeout)
                log(outcome(getattr(sock, method), ("127.0.0.1", free_port)))

    found = [what for _, what in logged(program)]

    if timeout != 0.0:
        refused = (errno.ECONNREFUSED, "Connection refused")
        assert found == [(ConnectionRefusedError, refused), ("returned", errno.ECONNREFUSED)]
    else:
        assert [found[0][0], found[1][1]] == [BlockingIOError, errno.EINPROGRESS]


def test_connecting_without_waiting(logged):
    def program(log):
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
            sock.setblocking(False)
            log(sock.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS))
            log(select.select([], [sock], [], 5) == ([], [sock], []))
            log(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            log(sock.connect_ex(listener.getsockname()) in (0, errno.EISCONN))
            listener.accept()[0].close()

    assert logged(program) == [(0.0, True), (0.0, True), (0.0, 0), (0.0, True)]


def test_the_first_of_several_addresses_refuses(logged, monkeypatch):
    if not _has_ipv6():
        pytest.skip("no IPv6 on loopback here")

    def program(log):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            found = [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
            with socket.create_connection(("localhost", port), timeout=5) as sock:
                conn, _ = listener.accept()
                with conn:
                    after(1, conn.sendall, b"data").join()
                log(sock.recv(10))

    assert logged(program) == [(1.0, b"data")]


def test_ipv6_and_both_at_once(logged):
    if not _has_ipv6():
        pytest.skip("no IPv6 on loopback here")

    def program(log):
        options = {"family": socket.AF_INET6, "dualstack_ipv6": True}
        with socket.create_server(("", 0), **options) as listener:
            port = listener.getsockname()[1]
            for host in ("::1", "127.0.0.1"):
                with socket.create_connection((host, port), timeout=5) as sock:
                    conn, _ = listener.accept()
                    timer = after(1, conn.sendall, host.encode())
                    log(sock.recv(100))
                    timer.join()
                    conn.close()

    assert logged(program) == [(1.0, b"::1"), (2.0, b"127.0.0.1")]


def _has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_many_clients_of_a_listener_with_a_short_queue(logged, together, timeout):
    """The system drops what comes to a full queue, and asks again after real seconds."""

    def program(log):
        def serve():
            for _ in range(10):
                conn, _ = listener.accept()
                with conn:
                    time.sleep(1)
                    conn.sendall(b"served")

        def ask():
            with socket.create_connection(listener.getsockname(), timeout=timeout) as sock:
                log(sock.recv(10))

        with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
            together(serve, *[ask] * 10)

    assert logged(program) == [(float(n + 1), b"served") for n in range(10)]


@pytest.mark.parametrize("bound", [False, True])
def test_connecting_to_a_full_tcp_queue_times_out_and_ends_with_the_listener(
    logged, outcome, bound
):
    def program(log):
        with contextlib.ExitStack() as stack:
            listener = socket.create_server(("127.0.0.1", 0), backlog=0)
            address = listener.getsockname()
            stack.enter_context(socket.create_connection(address))
            other, third = (stack.enter_context(socket.socket()) for _ in range(2))
            if bound:
                other.bind(("127.0.0.1", 0))
                third.bind(("127.0.0.1", 0))
            other.settimeout(1.5)
            log(outcome(other.connect, address))
            timer = after(1, listener.close)
            log(outcome(third.connect, address)[0])
            timer.join()

    assert logged(program) == [
        (1.5, (TimeoutError, (TIMED_OUT,))),
        (2.5, ConnectionRefusedError),
    ]


def test_a_socket_that_is_closed_while_it_connects(logged, outcome):
    def program(log):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as sock:
            address = listener.getsockname()
            with socket.create_connection(address):
                sock.settimeout(2)
                timer = after(1, sock.close)
                log(outcome(sock.connect, address))
                timer.join()

    assert logged(program) == [(2.0, (TimeoutError, (TIMED_OUT,)))]


# ------------------------------------------------------------------------ Unix sockets


def unix_addresses(tmp_path):
    numbers = itertools.count()
    return {
        "path": lambda: str(tmp_path / f"socket{next(numbers)}"),
        "abstract": lambda: f"\0simclock-{os.getpid()}-{next(numbers)}",
    }


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_unix_sockets(logged, tmp_path, kind):
    name = unix_addresses(tmp_path)[kind]

    def program(log):
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as sock:
            address = name()
            listener.bind(address)
            listener.listen()
            sock.settimeout(5)
            sock.connect(address)
            conn, _ = listener.accept()
            with conn:
                timer = after(1, conn.sendall, b"data")
                log(sock.recv(10))
                timer.join()

    assert logged(program) == [(1.0, b"data")]


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_unix_listener_whose_queue_is_full(logged, tmp_path, timeout):
    name = unix_addresses(tmp_path)["path"]

    def program(log):
        with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
            address = name()
            listener.bind(address)
            listener.listen(0)

            def connect():
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.settimeout(timeout)
                sock.connect(address)
                return sock

            connect()
            timer = after(2, lambda: (stack.enter_context(listener.accept()[0]), time.sleep(1)))
            connect()
            log("connected")
            timer.join()

    assert logged(program) == [(2.0, "connected")]


def test_connecting_to_a_full_queue_times_out_and_ends_with_the_listener(logged, outcome, tmp_path):
    name = unix_addresses(tmp_path)["path"]

    def program(log):
        with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
            address = name()
            listener.bind(address)
            listener.listen(0)
            one, other, third = (
                stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(3)
            )
            one.connect(address)
            other.settimeout(1.5)
            log(outcome(other.connect, address))
            timer = after(1, lambda: (listener.close(), time.sleep(1)))
            log(outcome(third.connect, address)[0])
            timer.join()

    assert logged(program) == [
        (1.5, (TimeoutError, (TIMED_OUT,))),
        (2.5, ConnectionRefusedError),
    ]


def test_datagrams_between_unix_sockets(logged, outcome):
    def program(log):
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with one, other:
            one.settimeout(5)
            timer = after(1, other.send, b"")
            log(one.recv(10))  # an empty datagram is none the less one
            timer.join()
            one.settimeout(1)
            with pytest.raises(TimeoutError):
                while True:
                    one.send(b"x")
            log("full")

    assert logged(program) == [(1.0, b""), (2.0, "full")]


# ---------------------------------------------------------------------------- datagrams


def test_datagrams(logged, outcome):
    def program(log):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            server.bind(("127.0.0.1", 0))

            def serve():
                for _ in range(2):
                    data, address = server.recvfrom(100)
                    time.sleep(1)
                    server.sendto(data.upper(), address)

            thread = threading.Thread(target=serve)
            thread.start()
            client.settimeout(3)
            client.sendto(b"one", server.getsockname())
            log(client.recvfrom(100) == (b"ONE", server.getsockname()))
            client.connect(server.getsockname())
            client.send(b"two")
            log(client.recv(100))
            log(outcome(client.recv, 100))
            thread.join()

    assert logged(program) == [
        (1.0, True),
        (2.0, b"TWO"),
        (5.0, (TimeoutError, (TIMED_OUT,))),
    ]


@pytest.mark.parametrize("kind", ["tcp", "udp", "unix"])
def test_what_is_sent_has_arrived(together, kind):
    """What the kernel relies on: between two ends inside, delivery takes no time.

    TCP too: small pieces are not kept back, for up to 40 real milliseconds, until those before
    them are acknowledged.
    """
    late = []

    def program():
        if kind == "unix":
            one, other = socket.socketpair()
        elif kind == "tcp":
            with socket.create_server(("127.0.0.1", 0)) as listener:
                one = socket.create_connection(listener.getsockname())
                other, _ = listener.accept()
        else:
            one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            other.bind(("127.0.0.1", 0))
            one.connect(other.getsockname())
        poll = select.poll()
        with one, other:
            poll.register(other, select.POLLIN)
            for number in range(3000):
                one.send(b"x")
                if not poll.poll(0):
                    late.append(number)
                    break
                other.recv(100)

    with Simulation():
        together(program)

    assert late == []


# -------------------------------------------------------------------------- own loops


@pytest.mark.parametrize(
    "selector",
    [selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector],
)
def test_non_blocking_sockets_in_a_loop_of_selectors(logged, selector):
    def program(log):
        with socket.create_server(("127.0.0.1", 0)) as listener, selector() as loop:
            listener.setblocking(False)
            loop.register(listener, selectors.EVENT_READ)

            def ask():
                with socket.create_connection(listener.getsockname(), timeout=5) as sock:
                    for word in (b"a", b"b"):
                        time.sleep(1)
                        sock.sendall(word)
                        log(sock.recv(10))

            thread = threading.Thread(target=ask)
            thread.start()
            served = 0
            while served < 3:
                events = loop.select(0.75)
                if not events:
                    log("nothing")
                for key, _ in events:
                    if key.fileobj is listener:
                        conn, _ = listener.accept()
                        conn.setblocking(False)
                        loop.register(conn, selectors.EVENT_READ)
                        continue
                    data = key.fileobj.recv(10)
                    served += 1
                    if data:
                        key.fileobj.send(data.upper())
                    else:
                        loop.unregister(key.fileobj)
                        key.fileobj.close()
            thread.join()

    assert logged(program) == [
        (0.75, "nothing"),
        (1.0, b"A"),
        (1.75, "nothing"),
        (2.0, b"B"),
    ]


def test_a_poll_object_is_modified_and_unregistered(logged):
    def program(log):
        one, other = socket.socketpair()
        with one, other:
            poll = select.poll()
            poll.register(one)
            log(poll.poll() == [(one.fileno(), select.POLLOUT)])
            poll.modify(one, select.POLLIN)
            timer = after(1, other.sendall, b"x")
            log(poll.poll(5000) == [(one.fileno(), select.POLLIN)])
            poll.unregister(one)
            log(poll.poll(2000))
            timer.join()

    assert logged(program) == [(0.0, True), (1.0, True), (3.0, [])]


def test_more_connections_and_polls_than_are_remembered(logged, monkeypatch):
    """Nobody says when a socket or a poll object is gone."""
    monkeypatch.setattr(outside, "MOST", 5)

    def program(log):
        kept = []
        with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
            for number in range(30):
                sock = socket.create_connection(listener.getsockname(), timeout=5)
                conn, _ = listener.accept()
                if number % 2:
                    kept.append((sock, stack.enter_context(conn)))
                    stack.enter_context(sock)
                conn.sendall(b"x")
                sock.recv(1)
                if not number % 2:
                    conn.close()
                    sock.close()
            for sock, conn in kept:
                timer = after(1, conn.sendall, b"y")
                poll = select.poll()
                poll.register(sock, select.POLLIN)
                for _ in range(20):
                    select.poll().register(sock)
                log((len(poll.poll(5000)), sock.recv(1)))
                timer.join()

    assert logged(program) == [(float(n + 1), (1, b"y")) for n in range(15)]


def test_pairs_of_sockets_that_are_gone_are_forgotten(monkeypatch):
    """Each event loop has one, and a simulation may be of a whole suite."""
    monkeypatch.setattr(outside, "MOST", 10)
    known = outside.Outside()
    one, other = socket.socketpair()
    with one, other:
        known.pairs(one, other)
        for _ in range(100):
            closed = socket.socketpair()
            known.pairs(*closed)
            for sock in closed:
                sock.close()

        assert len(known._twins) <= 10 + 2
        assert os.fstat(one.fileno()).st_ino in known._twins


# ------------------------------------------------------------------- names of hosts

KNOWN = {
    "a number": lambda: socket.getaddrinfo("127.0.0.1", 80),
    "a number in bytes": lambda: socket.getaddrinfo(b"127.0.0.1", 80),
    "an IPv6 number": lambda: socket.getaddrinfo("::1", 80),
    "nobody": lambda: socket.getaddrinfo(None, 80),
    "by keyword": lambda: socket.getaddrinfo(port=80, host=""),
    "the name of an address": lambda: socket.getnameinfo(
        ("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    ),
    "the host of a name": lambda: socket.gethostbyname("localhost"),
    "no tuple": lambda: socket.getnameinfo((), 0),
}


@pytest.mark.parametrize("call", KNOWN)
def test_no_name_server_is_asked_for_what_is_known(outcome, call):
    said = outcome(KNOWN[call])

    with Simulation(external="strict"):
        assert outcome(KNOWN[call]) == said


def test_other_names_are_looked_up_in_real_time(outcome):
    # Nobody is asked for it: the flag refuses names.
    call = ("name.invalid", 80, 0, 0, 0, socket.AI_NUMERICHOST)
    said = outcome(socket.getaddrinfo, *call)

    with Simulation() as sim:
        assert outcome(socket.getaddrinfo, *call) == said
    assert said[0] is socket.gaierror
    [line] = sim.escapes
    assert line.startswith("root (0), calls getaddrinfo('name.invalid') at socket.py:")

    with (
        pytest.raises(Escape, match=r"calls getaddrinfo\('name.invalid'\)"),
        Simulation(external="strict"),
    ):
        socket.getaddrinfo(*call)


# -------------------------------------------------------------------- bad arguments

WRONG = {
    "no size": lambda sock: sock.recv(),
    "a negative size": lambda sock: sock.recv(-1),
    "a size that is none": lambda sock: sock.recv("x"),
    "flags that are none": lambda sock: sock.recv(1, "x"),
    "no buffer": lambda sock: sock.recv_into(),
    "a read-only buffer": lambda sock: sock.recv_into(b"x"),
    "too small a buffer": lambda sock: sock.recv_into(bytearray(1), 2),
    "a negative number": lambda sock: sock.recvfrom_into(bytearray(1), -1),
    "all into a read-only buffer": lambda sock: sock.recv_into(b"x", 1, socket.MSG_WAITALL),
    "more than the buffer": lambda sock: sock.recv_into(bytearray(1), 2, socket.MSG_WAITALL),
    "all of a negative size": lambda sock: sock.recv(-1, socket.MSG_WAITALL),
    "buffers that are none": lambda sock: sock.recvmsg_into(1),
    "text": lambda sock: sock.send("text"),
    "nothing": lambda sock: sock.send(),
    "all of a text": lambda sock: sock.sendall("text"),
    "all of nothing": lambda sock: sock.sendall(),
    "too much": lambda sock: sock.sendall(b"x", 0, 0),
    "text to nowhere": lambda sock: sock.sendto("text", None),
    "nothing to nowhere": lambda sock: sock.sendto(),
    "a message of text": lambda sock: sock.sendmsg(["text"]),
    "a message of a number": lambda sock: sock.sendmsg(1),
    "no message": lambda sock: sock.sendmsg(),
    "an address that is none": lambda sock: sock.connect(1),
    "no address": lambda sock: sock.connect(),
    "too long a path": lambda sock: sock.connect_ex("x" * 200),
    "no address either": lambda sock: sock.connect_ex(),
    "a host that is none": lambda sock: sock.connect((1, 2)),
    "a port that is none": lambda sock: sock.connect_ex(("127.0.0.1", "x")),
    "a port that is too big": lambda sock: sock.connect(("127.0.0.1", 1 << 20)),
    "accepting something": lambda sock: sock._accept(1),
    "listening": lambda sock: sock.listen("x"),
    "binding": lambda sock: sock.bind(1),
    "a timeout that is none": lambda sock: sock.settimeout("x"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("timeout", [None, 5.0])
@pytest.mark.parametrize("kind", ["tcp", "pair"])
def test_what_is_wrong_is_said_as_ever(outcome, wrong, timeout, kind):
    said = []
    for simulated in (False, True):
        with contextlib.ExitStack() as stack:
            if simulated:
                stack.enter_context(Simulation())
            one, other = (
                socket.socketpair() if kind == "pair" else (socket.socket(), socket.socket())
            )
            with one, other:
                one.settimeout(timeout)
                said.append(outcome(WRONG[wrong], one))

    assert said[1] == said[0]


@pytest.mark.parametrize("method", [*RECEIVES, *SENDS])
def test_a_closed_socket(outcome, method):
    said = []
    for simulated in (False, True):
        with contextlib.ExitStack() as stack:
            if simulated:
                stack.enter_context(Simulation())
            sock = socket.socket()
            sock.close()
            said.append(outcome({**RECEIVES, **SENDS}[method], sock))

    assert said[1] == said[0]
    assert said[0] == (OSError, (errno.EBADF, "Bad file descriptor"))


def test_subclasses_of_sockets(logged):
    class Noisy(socket.socket):
        def recv(self, *args):
            return super().recv(*args).upper()

        def settimeout(self, value):
            raise AssertionError("nobody asked for it")

    def program(log):
        one, other = socket.socketpair()
        with other, Noisy(fileno=one.detach()) as noisy:
            timer = after(1, other.sendall, b"data")
            log(noisy.recv(10))
            timer.join()

    assert logged(program) == [(1.0, b"DATA")]

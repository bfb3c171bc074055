"""Pipes: between simulated threads the clock does not wait, for a child process it does."""

from __future__ import annotations

import array
import os
import select
import subprocess
import threading
import time

import pytest

import simclock
from simclock.errors import Deadlock, Escape, Stalled

BIG = 300_000  # bytes; more than a pipe takes


def run_both(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def pipe():
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


# ------------------------------------------------------------------ between two threads


def test_a_reader_waits_for_a_writer(simulated, pipe):
    reading, writing = pipe

    def body():
        log = []

        def read():
            log.append((os.read(reading, 100), time.monotonic()))
            log.append((os.read(reading, 100), time.monotonic()))

        def write():
            for data in (b"one", b"two"):
                time.sleep(1)
                os.write(writing, data)

        run_both(read, write)
        return log

    assert simulated(body) == ([(b"one", 1001.0), (b"two", 1002.0)], 2.0)


@pytest.mark.parametrize("size", [1, select.PIPE_BUF, select.PIPE_BUF + 1, 65536, 65537, BIG])
def test_a_write_of_any_size_is_done_when_all_is_in_the_pipe(simulated, pipe, size):
    reading, writing = pipe

    def body():
        written = []
        got = []

        def write():
            written.append(os.write(writing, b"x" * size))

        def read():
            time.sleep(1)
            while sum(map(len, got)) < size:
                got.append(os.read(reading, 10_000))

        run_both(write, read)
        return written, b"".join(got) == b"x" * size

    assert simulated(body) == (([size], True), 1.0)


def test_vectors_of_buffers_wait_too(simulated, pipe):
    reading, writing = pipe

    def body():
        log = []
        buffer = bytearray(3)

        def read():
            log.append((os.readv(reading, [buffer]), bytes(buffer), time.monotonic()))

        def write():
            time.sleep(1)
            log.append(os.writev(writing, [b"ab", bytearray(b"c")]))

        run_both(read, write)
        return sorted(map(str, log))

    assert simulated(body) == (["(3, b'abc', 1001.0)", "3"], 1.0)


def test_big_vectors_are_written_whole(simulated, pipe):
    reading, writing = pipe

    def body():
        log = []

        def read():
            left = BIG
            while left:
                left -= len(os.read(reading, 50_000))

        run_both(lambda: log.append(os.writev(writing, [b"x" * BIG])), read)
        return log

    assert simulated(body) == ([BIG], 0.0)


@pytest.mark.parametrize(
    ("buffering", "read"),
    [
        (0, lambda file: file.read(5)),
        (0, lambda file: file.read()),
        (0, lambda file: file.read(None)),
        (0, lambda file: file.readall()),
        (-1, lambda file: file.read()),
        (-1, lambda file: file.read(5)),
        (-1, lambda file: file.readline()),
        (-1, lambda file: list(file)[0]),  # noqa: RUF015 - to its end
    ],
)
def test_files_wait(simulated, buffering, read):
    def body():
        reading, writing = os.pipe()
        log = []

        def write():
            with open(writing, "wb", buffering=buffering) as file:
                time.sleep(1)
                file.write(b"hello")

        def take():
            with open(reading, "rb", buffering=buffering) as file:
                log.append((read(file), time.monotonic()))

        run_both(take, write)
        return log

    assert simulated(body) == ([(b"hello", 1001.0)], 1.0)


def test_a_file_writes_more_than_a_pipe_takes(simulated):
    def body():
        reading, writing = os.pipe()
        log = []

        def write():
            with open(writing, "wb", buffering=0) as file:
                log.append(file.write(array.array("i", [7] * BIG)))

        def read():
            with open(reading, "rb") as file:
                log.append(len(file.read()))

        run_both(write, read)
        return log

    assert simulated(body) == ([4 * BIG, 4 * BIG], 0.0)


def test_a_reader_that_goes_away_leaves_what_was_written(simulated):
    def body():
        reading, writing = os.pipe()
        log = []

        def write():
            log.append(os.write(writing, b"x" * BIG) < BIG)
            with pytest.raises(BrokenPipeError):
                os.write(writing, b"x")
            os.close(writing)

        def leave():
            time.sleep(1)
            os.close(reading)

        run_both(write, leave)
        return log

    assert simulated(body) == ([True], 1.0)


def test_two_threads_that_wait_for_each_other_are_a_deadlock(pipe):
    with pytest.raises(Deadlock, match="waits for read"), simclock.Simulation():
        os.read(pipe[0], 1)


def test_a_named_pipe(simulated, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)

    def body():
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reading, True)
        writing = os.open(path, os.O_WRONLY)
        log = []

        def write():
            time.sleep(1)
            os.write(writing, b"x")

        run_both(lambda: log.append((os.read(reading, 9), time.monotonic())), write)
        os.close(reading)
        os.close(writing)
        return log

    assert simulated(body) == ([(b"x", 1001.0)], 1.0)


# ------------------------------------------------------------------------ the originals


def test_what_does_not_block_goes_to_the_original(simulated, pipe):
    reading, writing = pipe

    def body():
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)
        with open(reading, "rb", buffering=0, closefd=False) as file:
            nothing = file.read(1), file.read(), file.readinto(bytearray(1))
        return nothing, os.write(writing, b"x" * BIG)

    assert simulated(body) == (((None, None, None), 65536), 0.0)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda r, w: os.read(w, 1), OSError),
        (lambda r, w: os.write(r, b"x"), OSError),
        (lambda r, w: os.write(r, b"x" * BIG), OSError),
        (lambda r, w: os.read(-1, 1), OSError),
        (lambda r, w: os.read(9999, 1), OSError),
        (lambda r, w: os.read(2**80, 1), OverflowError),
        (lambda r, w: os.read(r, -1), OSError),
        (lambda r, w: os.read(r, -5), OSError),
        (lambda r, w: os.write(2**80, b"x"), OverflowError),
        (lambda r, w: os.read("0", 1), TypeError),
        (lambda r, w: os.read(r), TypeError),
        (lambda r, w: os.write(w, "text"), TypeError),
        (lambda r, w: os.write(9999, b"x" * BIG), OSError),
        (lambda r, w: os.write(w), TypeError),
        (lambda r, w: os.writev(w, b"x"), TypeError),
        (lambda r, w: os.writev(w, ["x"]), TypeError),
        (lambda r, w: os.readv(w, [bytearray(1)]), OSError),
        (lambda r, w: unbuffered(r, "rb").write(b"x"), OSError),
        (lambda r, w: unbuffered(w, "wb").read(), OSError),
        (lambda r, w: unbuffered(w, "wb").read(1), OSError),
        (lambda r, w: unbuffered(w, "wb").readall(), OSError),
        (lambda r, w: unbuffered(w, "wb").readinto(bytearray(1)), OSError),
        (lambda r, w: unbuffered(w, "wb").write("text"), TypeError),
        (lambda r, w: unbuffered(w, "wb").write(), TypeError),
        (lambda r, w: closed(r).read(1), ValueError),
        (lambda r, w: closed(r).readall(), ValueError),
        (lambda r, w: closed(r).readinto(bytearray(1)), ValueError),
        (lambda r, w: closed(r).write(b""), ValueError),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_errors_are_the_original_s(pipe, call, error):
    def told():
        with pytest.raises(error) as caught:
            call(*pipe)
        return type(caught.value), str(caught.value)

    outside = told()
    with simclock.Simulation():
        inside = told()

    assert inside == outside


def unbuffered(fd, mode):
    return open(fd, mode, 0, closefd=False)


def closed(fd):
    file = unbuffered(fd, "rb")
    file.close()
    return file


def test_regular_files_take_no_notice(simulated, tmp_path):
    def body():
        path = tmp_path / "file"
        path.write_bytes(b"x" * BIG)
        with open(path, "rb", buffering=0) as file:
            parts = len(file.read(10)), len(file.read()), file.read(1), file.readall()
        fd = os.open(path, os.O_RDWR)
        parts += os.write(fd, b"y" * BIG), os.read(fd, 1)
        os.close(fd)
        return parts

    assert simulated(body) == ((10, BIG - 10, b"", b"", BIG, b""), 0.0)


# ------------------------------------------------------------------- to a child process


def test_a_line_of_a_child_is_waited_for_in_real_time_only(simulated, python):
    program = "import time\nfor n in range(3): time.sleep(0.05); print(n, flush=True)"

    def body():
        with subprocess.Popen(python(program), stdout=subprocess.PIPE, text=True) as process:
            lines = [(time.monotonic(), line) for line in process.stdout]
        return lines, process.returncode

    assert simulated(body) == (([(1000.0, "0\n"), (1000.0, "1\n"), (1000.0, "2\n")], 0), 0.0)


@pytest.mark.parametrize("timeout", [None, 5])
def test_communicate_with_more_than_a_pipe_takes(simulated, timeout):
    def body():
        done = subprocess.run(
            ["cat"], input=b"x" * BIG, stdout=subprocess.PIPE, timeout=timeout, check=True
        )
        return len(done.stdout)

    assert simulated(body) == (BIG, 0.0)


def test_a_child_is_written_to_and_read_from_by_two_threads(simulated):
    def body():
        log = []
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def write():
            with process.stdin:
                for _ in range(3):
                    time.sleep(1)
                    process.stdin.write(b"x" * BIG)
                    process.stdin.flush()

        def read():
            with process.stdout:
                log.append(len(process.stdout.read()))

        run_both(write, read)
        return log, process.wait()

    assert simulated(body) == (([3 * BIG], 0), 3.0)


def test_a_child_that_waits_for_us_does_not_hold_the_clock(simulated):
    def body():
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        got = []

        def read():
            with process.stdout:
                got.extend((time.monotonic(), line) for line in process.stdout)

        def write():
            with process.stdin:
                time.sleep(3600)
                process.stdin.write(b"late\n")

        run_both(read, write)
        return got, process.wait()

    started = time.perf_counter()
    assert simulated(body) == (([(4600.0, b"late\n")], 0), 3600.0)
    assert time.perf_counter() - started < 5


def test_a_child_that_waits_for_us_while_we_wait_for_it_times_out_at_once(simulated):
    def body():
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        with process, pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=3600)

    assert simulated(body) == (None, 3600.0)


def test_a_child_of_a_child_is_waited_for(simulated):
    def body():
        return subprocess.check_output(["sh", "-c", "(sleep 0.1; echo late) | cat"])

    assert simulated(body) == (b"late\n", 0.0)


def test_a_pipe_whose_other_end_a_stranger_has_is_waited_for(simulated):
    def body():
        # The shell ends at once; what it has started is no child of ours.
        with subprocess.Popen(
            ["sh", "-c", "(sleep 0.2; echo late) &"], stdout=subprocess.PIPE
        ) as process:
            process.wait()
            return process.stdout.read()

    assert simulated(body) == (b"late\n", 0.0)


def test_a_stranger_that_never_answers_stalls(ended):
    process = ended(subprocess.Popen(["sleep", "100"], stdout=subprocess.PIPE))
    with (
        process.stdout,
        pytest.raises(Stalled, match=r"for whoever has the other end of pipe:\[\d+\]"),
        simclock.Simulation(watchdog=0.3),
    ):
        process.stdout.read(1)


def test_where_nothing_may_be_outside_a_read_is_an_error(ended):
    process = ended(subprocess.Popen(["sleep", "100"], stdout=subprocess.PIPE))
    with (
        process.stdout,
        pytest.raises(
            Escape, match=r"waits for read, for whoever has the other end of pipe:\[\d+\]"
        ),
        simclock.Simulation(external="strict"),
    ):
        process.stdout.read(1)


def test_a_child_that_was_given_up_is_waited_for_again_when_it_gets_a_signal(simulated):
    def body():
        process = subprocess.Popen(["sleep", "100"], stdout=subprocess.PIPE)
        with process.stdout:
            with pytest.raises(subprocess.TimeoutExpired):
                process.communicate(timeout=2)
            process.terminate()
            return process.communicate(), process.returncode

    assert simulated(body, watchdog=0.3) == (((b"", None), -15), 2.0)

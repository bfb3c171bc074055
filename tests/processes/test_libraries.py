"""Child processes of asyncio, trio and multiprocessing."""

from __future__ import annotations

import asyncio
import subprocess
import time

import pytest

SHORT = ["sleep", "0.2"]
BIG = 300_000


# ------------------------------------------------------------------------------- asyncio


@pytest.fixture(params=["default", "ThreadedChildWatcher", "PidfdChildWatcher"])
def run(request):
    """Run a coroutine function with one of asyncio's ways to wait for child processes."""

    def run(main):
        if request.param != "default":
            watcher = getattr(asyncio, request.param)()
            policy = asyncio.get_event_loop_policy()
            policy.set_child_watcher(watcher)

            async def attached():
                watcher.attach_loop(asyncio.get_running_loop())
                try:
                    return await main()
                finally:
                    policy.set_child_watcher(None)

            return asyncio.run(attached())
        return asyncio.run(main())

    return run


pytestmark = pytest.mark.filterwarnings("ignore:.*child_watcher|.*ChildWatcher")


def test_asyncio_waits_for_a_child(simulated, run):
    async def main():
        process = await asyncio.create_subprocess_exec(*SHORT)
        return await asyncio.wait_for(process.wait(), 5)

    assert simulated(lambda: run(main)) == (0, 0.0)


def test_asyncio_communicates_with_a_child(simulated, run):
    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        output, _ = await asyncio.wait_for(process.communicate(b"x" * BIG), 5)
        return len(output), process.returncode

    assert simulated(lambda: run(main)) == ((BIG, 0), 0.0)


def test_asyncio_gives_up_a_child_in_time(simulated, run):
    async def main():
        process = await asyncio.create_subprocess_exec("sleep", "100")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        process.kill()
        return await process.wait()

    assert simulated(lambda: run(main), watchdog=0.3) == (-9, 5.0)


def test_asyncio_reads_lines_while_other_tasks_sleep(simulated, run):
    async def main():
        process = await asyncio.create_subprocess_shell("sleep 0.1; echo one; read x", -1, -1)
        line = await process.stdout.readline()
        early = time.monotonic()
        await asyncio.sleep(3600)
        process.stdin.write(b"\n")
        await process.wait()
        return line, early

    assert simulated(lambda: run(main)) == ((b"one\n", 1000.0), 3600.0)


def test_asyncio_polls_a_child_between_its_sleeps(simulated):
    async def main():
        process = subprocess.Popen(SHORT)
        polls = 0
        while process.poll() is None:
            polls += 1
            await asyncio.sleep(0.125)
        return polls

    assert simulated(lambda: asyncio.run(main())) == (1, 0.125)


# ---------------------------------------------------------------------------------- trio


def test_trio_runs_a_process(simulated):
    trio = pytest.importorskip("trio")

    async def main():
        with trio.fail_after(5):
            done = await trio.run_process(
                ["sh", "-c", "sleep 0.1; cat"], stdin=b"x" * BIG, capture_stdout=True
            )
        return len(done.stdout)

    assert simulated(lambda: trio.run(main)) == (BIG, 0.0)


# ----------------------------------------------------------------------- multiprocessing

# In a process of its own: forks warn of threads, and helpers stay until the process ends.
PRELUDE = """
import concurrent.futures, multiprocessing, os, queue, sys, time, warnings
warnings.simplefilter("ignore")
import simclock
context = multiprocessing.get_context("{way}")

def shown(body):
    with simclock.Simulation() as sim:
        result = body()
        print(result, round(sim.elapsed, 3))  # a pool spins, so that it counts nanoseconds
"""

BODIES = {
    "join": (
        """
process = context.Process(target=time.sleep, args=(0.2,))
process.start()
process.join(timeout=5)
return process.exitcode
""",
        "0 0.0",
    ),
    "join that times out": (
        """
process = context.Process(target=time.sleep, args=(100,))
process.start()
process.join(timeout=0.3)
alive = process.is_alive()
process.terminate()
process.join()
return alive, process.exitcode
""",
        "(True, -15) 0.3",
    ),
    "pipe": (
        """
ours, theirs = context.Pipe()
process = context.Process(target=exec, args=("c.send(c.recv())", {"c": theirs}))
process.start()
time.sleep(3)
ours.send("hello")
answer = ours.recv()
process.join()
return answer
""",
        "hello 3.0",
    ),
    "queue": (
        """
many = context.Queue()
process = context.Process(target=exec, args=("import time; time.sleep(0.2); q.put(7)", {"q": many}))
process.start()
got = [many.get(timeout=5)]
try:
    many.get(timeout=3)
except queue.Empty:
    got.append("empty")
process.join()
return got
""",
        "[7, 'empty'] 3.0",
    ),
    "pool": (
        """
with context.Pool(2) as pool:
    first = pool.map(time.sleep, [0.1, 0.1]), pool.map(abs, [-1, -2, -3])
    time.sleep(3600)
    return first, pool.map(abs, [-4])
""",
        "(([None, None], [1, 2, 3]), [4]) 3600.0",
    ),
    "executor": (
        """
with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
    first = pool.submit(time.sleep, 0.2).result(timeout=5), pool.submit(abs, -1).result(timeout=5)
    time.sleep(3600)
    return first, pool.submit(abs, -2).result(timeout=5)
""",
        "((None, 1), 2) 3600.0",
    ),
}


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("name", ["join", "pipe", "queue", "pool", "executor"])
def test_multiprocessing_in_each_of_its_ways(child, way, name):
    assert run_in(child, way, name) == [BODIES[name][1]]


def test_a_join_of_a_process_times_out_in_both_times(child):
    assert run_in(child, "fork", "join that times out") == ["(True, -15) 0.3"]


def run_in(child, way, name):
    body = BODIES[name][0].replace("\n", "\n    ")
    program = PRELUDE.replace("{way}", way) + f"\ndef body():{body}\nshown(body)\n"
    return child(program)

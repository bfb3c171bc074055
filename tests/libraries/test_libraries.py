"""Libraries that wait in C by themselves, as they are published: refused by name, or run in real time.

They are in the dependency group ``neighbours``; each test is skipped where its
library is not installed. In child processes: they leave threads behind.
"""

from __future__ import annotations

import importlib.util

import pytest

PREPARED = """
import asyncio, socket, sys, threading, time
import simclock
from simclock._boundary import _native

def told(function, **options):
    try:
        with simclock.Simulation(watchdog=5, **options) as sim:
            print(function(), sim.elapsed)
    except simclock.SimclockError as error:
        lines = str(error).splitlines()
        print(lines[0].partition(" at ")[0])
        print(*[line for line in lines[1:] if not line.startswith(" ")], sep="\\n")

def real(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began
"""
LISTED = 'real_packages=["{}"]'


def remedies(package, *others):
    """Return what the error says after its first line and the stack."""
    lines = [
        *others,
        "run it in real time: `with sim.real_time(): ...` or @pytest.mark.simclock(False)",
        (
            f'let it hold the clock: Simulation(real_packages=("{package}",)), '
            f"or simclock_real_packages = {package} in the ini file"
        ),
    ]
    return [lines[0], *(f"or {line}" for line in lines[1:])]


@pytest.fixture
def prepared(child):
    """Return a function that runs a program with the library that it needs."""

    def run(program):
        return child(PREPARED + program)

    return run


def needs(module):
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"not installed: {module}")


# ------------------------------------------------------------------------------ uvloop

UVLOOP = """
def use():
    import uvloop
    loop = uvloop.new_event_loop()
    try:
        done = loop.create_future()
        loop.call_later(0.2, done.set_result, "done")
        return loop.run_until_complete(done)
    finally:
        loop.close()
"""
NO_UVLOOP = [
    "escape: root (0), calls uvloop.Loop.run_until_complete",
    *remedies("uvloop", "use the stock asyncio loop, without uvloop's policy or loop factory"),
]


@needs("uvloop")
def test_a_loop_of_uvloop_is_refused_when_it_is_run(prepared):
    lines = prepared(
        UVLOOP
        + """
told(use)
told(use)
print(use())
print("run_forever" in vars(sys.modules["uvloop"].Loop), _native.redirected())
"""
    )

    assert lines == [*NO_UVLOOP, *NO_UVLOOP, "done", "False []"]


@needs("uvloop")
def test_a_loop_of_uvloop_in_a_thread_fails_the_run(prepared):
    lines = prepared(
        UVLOOP
        + """
threading.excepthook = lambda args: print(args.exc_type.__name__)

def in_a_thread():
    thread = threading.Thread(target=use, name="worker")
    thread.start()
    thread.join()

told(in_a_thread)
"""
    )

    assert lines == ["Escape", NO_UVLOOP[0].replace("root (0)", "worker (0.1)"), *NO_UVLOOP[1:]]


@needs("uvloop")
def test_a_loop_of_uvloop_runs_in_real_time_where_that_is_asked_for(prepared):
    lines = prepared(
        UVLOOP
        + """
def in_real_time():
    with simclock.active().real_time():
        return use()

told(in_real_time)
told(use, real_packages=["uvloop"])
print(real(lambda: told(use, real_packages=["uvloop"])) >= 0.2)
"""
    )

    assert lines == ["done 0.0"] * 3 + ["True"]


@needs("uvloop")
def test_the_stock_loop_is_simulated_beside_uvloop(prepared):
    lines = prepared("""
import uvloop

async def main():
    await asyncio.sleep(10)

told(lambda: asyncio.run(main()))
""")

    assert lines == ["None 10.0"]


# ------------------------------------------------------------------------------ gevent

GEVENT = """
def use():
    import gevent
    def work():
        gevent.sleep(0.2)
        return "done"
    greenlet = gevent.spawn(work)
    greenlet.join()
    return greenlet.value
"""


@needs("gevent")
@pytest.mark.parametrize("before", ["pass", "use()"], ids=["new hub", "used hub"])
def test_the_hub_of_gevent_is_refused(prepared, before):
    lines = prepared(
        GEVENT
        + f"""
{before}
told(use)
print(use())
"""
    )

    assert lines == [
        "escape: root (0), calls gevent.hub.Hub.switch",
        *remedies("gevent"),
        "done",
    ]


@needs("gevent")
def test_the_hub_of_gevent_runs_in_real_time_where_that_is_asked_for(prepared):
    lines = prepared(
        GEVENT
        + """
told(use, real_packages=["gevent"])
print(real(lambda: told(use, real_packages=["gevent"])) >= 0.2)
"""
    )

    assert lines == ["done 0.0", "done 0.0", "True"]


# -------------------------------------------------------------------------------- grpc

GRPC = """
from concurrent import futures

CHANNEL, SERVER = "grpc._channel.Channel.__init__", "grpc._server._Server.__init__"

def serve():
    import grpc
    def say(request, context):
        time.sleep(0.2)
        return request + b"!"
    handlers = grpc.method_handlers_generic_handler(
        "test", {"Say": grpc.unary_unary_rpc_method_handler(say)}
    )
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=(handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port

def ask(port, by_future=False):
    import grpc
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        say = channel.unary_unary("/test/Say")
        if by_future:
            return say.future(b"hello", timeout=60).result()
        return say(b"hello", timeout=60)
"""


@pytest.fixture
def prepared_grpc(child):
    """Return a function that runs a program with gRPC, without the complaints and the proxies of its C core."""

    def run(program):
        return child(PREPARED + program, GRPC_VERBOSITY="NONE", no_grpc_proxy="127.0.0.1")

    return run


@needs("grpc")
def test_channels_and_servers_of_grpc_are_refused(prepared_grpc):
    lines = prepared_grpc(
        GRPC
        + """
told(lambda: ask(1))
told(serve)
server, port = serve()
print(ask(port))
server.stop(None).wait()
"""
    )

    assert lines == [
        "escape: root (0), calls grpc._channel.Channel.__init__",
        *remedies("grpc"),
        "escape: root (0), calls grpc._server._Server.__init__",
        *remedies("grpc"),
        "b'hello!'",
    ]


@needs("grpc")
def test_a_call_on_a_channel_that_was_made_before_is_refused(prepared_grpc):
    lines = prepared_grpc("""
import grpc
channel = grpc.insecure_channel("127.0.0.1:1")
say = channel.unary_unary("/test/Say")
told(lambda: say(b""))
told(lambda: say.future(b""))
told(lambda: channel.unary_stream("/test/Say")(b""))
channel.close()
""")

    calls = [line for line in lines if line.startswith("escape: ")]
    assert calls == [
        "escape: root (0), calls grpc._channel._UnaryUnaryMultiCallable._blocking",
        "escape: root (0), calls grpc._channel._UnaryUnaryMultiCallable.future",
        "escape: root (0), calls grpc._channel._UnaryStreamMultiCallable.__call__",
    ]


@needs("grpc")
def test_calls_of_grpc_run_in_real_time_where_that_is_asked_for(prepared_grpc):
    lines = prepared_grpc(
        GRPC
        + """
server, port = serve()
told(lambda: ask(port), real_packages=["grpc"])
print(real(lambda: told(lambda: ask(port), real_packages=["grpc"])) >= 0.2)
server.stop(None).wait()
"""
    )

    assert lines == ["b'hello!' 0.0", "b'hello!' 0.0", "True"]


@needs("grpc")
def test_a_future_of_grpc_is_waited_for_where_that_is_asked_for(prepared_grpc):
    lines = prepared_grpc(
        GRPC
        + """
server, port = serve()
with simclock.Simulation(real_packages=["grpc"]) as sim:
    print(ask(port, by_future=True))
    # It waits with short timeouts: the clock moves by those that passed.
    print(sim.elapsed < 1)
server.stop(None).wait()
"""
    )

    assert lines == ["b'hello!'", "True"]


@needs("grpc")
def test_a_server_of_grpc_that_is_started_inside_runs_in_real_time_too(prepared_grpc):
    lines = prepared_grpc(
        GRPC
        + """
def both():
    server, port = serve()
    try:
        return ask(port)
    finally:
        server.stop(None).wait()

told(both, real_packages=["grpc"])
"""
    )

    assert lines == ["b'hello!' 0.0"]


# ---------------------------------------------------------------------------- psycopg

# Stands in for PostgreSQL: takes connections, and never answers.
SILENT = """
import atexit
silent = socket.create_server(("127.0.0.1", 0))
atexit.register(silent.close)
port = silent.getsockname()[1]

def connect(port=port, seconds=2):
    try:
        module.connect(f"host=127.0.0.1 port={port} user=me connect_timeout={seconds}")
    except module.Error as error:
        return type(error).__name__

"""
NO_PSYCOPG2 = remedies(
    "psycopg2",
    "let it wait in Python: psycopg2.extensions.set_wait_callback(psycopg2.extras.wait_select)",
)


@needs("psycopg")
def test_psycopg_waits_in_python_and_in_virtual_time(prepared):
    lines = prepared(
        "import psycopg as module, psycopg.waiting\n"
        + SILENT
        + """
before = psycopg.waiting.wait
print(psycopg.pq.__impl__)
told(lambda: connect(seconds=30))
told(lambda: connect(port=1))
print(psycopg.waiting.wait is before)
"""
    )

    assert lines == ["binary", "ConnectionTimeout 30.0", "OperationalError 0.0", "True"]


@needs("psycopg")
def test_psycopg_is_simulated_on_the_stock_loop(prepared):
    lines = prepared(
        "import psycopg as module\n"
        + SILENT
        + """
async def main():
    try:
        await module.AsyncConnection.connect(f"host=127.0.0.1 port={port} user=me connect_timeout=30")
    except module.Error as error:
        return type(error).__name__

told(lambda: asyncio.run(main()))
"""
    )

    assert lines == ["ConnectionTimeout 30.0"]


@needs("psycopg")
def test_the_waiting_of_psycopg_in_c_is_replaced_for_simulated_threads_only(prepared):
    lines = prepared("""
import psycopg.waiting
from psycopg.waiting import Ready, Wait

one, other = socket.socketpair()

def byte():
    while (yield Wait.R) != Ready.R:
        pass
    return one.recv(1)

def wait():
    return psycopg.waiting.wait(byte(), one.fileno(), 0.1)

def answer():
    time.sleep(3)
    other.send(b"x")

def both():
    threading.Thread(target=answer).start()
    return wait()

told(both)
other.send(b"y")
print(wait())
one.close()
other.close()
""")

    assert lines == ["b'x' 3.0", "b'y'"]


@needs("psycopg2")
def test_psycopg2_is_refused(prepared):
    lines = prepared(
        "import psycopg2 as module\n"
        + SILENT
        + """
told(connect)
print(connect(port=1))
print(_native.redirected())
"""
    )

    assert lines == [
        "escape: root (0), calls psycopg2._psycopg._connect",
        *NO_PSYCOPG2,
        "OperationalError",
        "[]",
    ]


@needs("psycopg2")
def test_psycopg2_is_refused_when_it_is_loaded_inside(prepared):
    lines = prepared("""
def connect():
    import psycopg2
    psycopg2.connect("host=127.0.0.1 port=1")

told(connect)
""")

    assert lines == ["escape: root (0), calls psycopg2._psycopg._connect", *NO_PSYCOPG2]


@needs("psycopg2")
def test_psycopg2_with_a_wait_callback_is_simulated(prepared):
    lines = prepared(
        "import psycopg2 as module, psycopg2.extras\n"
        + SILENT
        + """
def gives_up(connection):
    # As `wait_select`, with an end: that has none, and the server is silent.
    import select
    for _ in range(5):
        state = connection.poll()
        if state == psycopg2.extensions.POLL_READ:
            if select.select([connection.fileno()], [], [], 10) == ([], [], []):
                raise module.OperationalError("no answer")
        elif state == psycopg2.extensions.POLL_WRITE:
            select.select([], [connection.fileno()], [])

psycopg2.extensions.set_wait_callback(gives_up)
told(connect)
psycopg2.extensions.set_wait_callback(psycopg2.extras.wait_select)
told(lambda: connect(port=1))
"""
    )

    assert lines == ["OperationalError 10.0", "OperationalError 0.0"]


@needs("psycopg2")
def test_psycopg2_runs_in_real_time_where_that_is_asked_for(prepared):
    lines = prepared(
        "import psycopg2 as module\n"
        + SILENT
        + """
print(real(lambda: told(connect, real_packages=["psycopg2"])) >= 2)
"""
    )

    assert lines == ["OperationalError 0.0", "True"]


@needs("psycopg2")
def test_who_is_stuck_in_a_library_is_reported_with_its_remedies(prepared):
    lines = prepared(
        "import psycopg2 as module\n"
        + SILENT
        + """
import os
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # every thread's stack is shown there

def in_a_thread():
    thread = threading.Thread(target=connect, name="worker", daemon=True)
    thread.start()
    thread.join()

simulation = simclock.Simulation(watchdog=0.5, real_packages=["psycopg2"])
try:
    with simulation:
        in_a_thread()
except simclock.Stalled as error:
    lines = str(error).splitlines()
    print(lines[0])
    print(lines[-1])
"""
    )

    assert lines == [
        (
            "stalled: worker made no progress for 0.5 real seconds: stuck in C code, "
            "in a call into psycopg2"
        ),
        "end the call, or give a longer watchdog=",
    ]

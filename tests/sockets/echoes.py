"""Echo servers and clients over loopback: threads, asyncio, trio.

Run as a script, it prints the digest and the log of each pairing.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time

import trio

from simclock import Simulation

LIMIT = 5.0
KINDS = ("threads", "asyncio", "trio")


class Echoes:
    """*rounds* echoes from a client of one kind to a server of another."""

    def __init__(self, server, client, *, rounds=100, delay=0.0):
        self.server = server
        self.client = client
        self.rounds = rounds
        self.delay = delay
        self.log = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()

    def note(self, number, answer):
        assert answer == b"%d\n" % number, answer
        self.log.append((time.monotonic_ns() - 10**12, number))

    def run(self):
        serving = threading.Thread(target=getattr(self, f"serve_{self.server}"))
        asking = threading.Thread(target=getattr(self, f"ask_{self.client}"))
        with self.listener:
            serving.start()
            asking.start()
            asking.join()
            serving.join()
        return self.log

    # ------------------------------------------------------------------- threads

    def serve_threads(self):
        conn, _ = self.listener.accept()
        conn.settimeout(LIMIT)
        with conn, conn.makefile("rwb") as file:
            for line in file:
                if self.delay:
                    time.sleep(self.delay)
                file.write(line)
                file.flush()

    def ask_threads(self):
        with socket.create_connection(self.address, timeout=LIMIT) as sock:
            for number in range(self.rounds):
                sock.sendall(b"%d\n" % number)
                self.note(number, sock.recv(100))

    # ------------------------------------------------------------------- asyncio

    def serve_asyncio(self):
        asyncio.run(self._serve_asyncio())

    async def _serve_asyncio(self):
        over = asyncio.Event()

        async def handle(reader, writer):
            while line := await asyncio.wait_for(reader.readline(), LIMIT):
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(line)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
            over.set()

        server = await asyncio.start_server(handle, sock=self.listener)
        async with server:
            await over.wait()

    def ask_asyncio(self):
        asyncio.run(self._ask_asyncio())

    async def _ask_asyncio(self):
        reader, writer = await asyncio.open_connection(*self.address)
        for number in range(self.rounds):
            writer.write(b"%d\n" % number)
            self.note(number, await asyncio.wait_for(reader.readline(), LIMIT))
        writer.close()
        await writer.wait_closed()

    # ---------------------------------------------------------------------- trio

    def serve_trio(self):
        trio.run(self._serve_trio)

    async def _serve_trio(self):
        with trio.socket.from_stdlib_socket(self.listener) as listener:
            conn, _ = await listener.accept()
            async with trio.SocketStream(conn) as stream:
                while True:
                    with trio.fail_after(LIMIT):
                        data = await stream.receive_some()
                    if not data:
                        break
                    if self.delay:
                        await trio.sleep(self.delay)
                    await stream.send_all(data)

    def ask_trio(self):
        trio.run(self._ask_trio)

    async def _ask_trio(self):
        async with await trio.open_tcp_stream(*self.address) as stream:
            for number in range(self.rounds):
                with trio.fail_after(LIMIT):
                    await stream.send_all(b"%d\n" % number)
                    self.note(number, await stream.receive_some())


def outcome(server, client, **options):
    """Return digest and log of one run."""
    echoes = Echoes(server, client, **options)
    with Simulation(external="strict") as sim:
        log = echoes.run()
    return sim.trace.digest, log


if __name__ == "__main__":
    for server in KINDS:
        for client in KINDS:
            for delay in (0.0, 0.25):
                found = outcome(server, client, rounds=20, delay=delay)
                sys.stdout.write(f"{server} {client} {delay} {found}\n")

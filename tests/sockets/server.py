"""A server in real time, in a process of its own: prints its port, then answers as it is told.

Each line that it gets says what to do: ``echo WORD``, ``slow WORD`` (after 0.3 real seconds),
``pieces WORD`` (the last letter after 0.3 real
seconds), ``silent``, ``reset``, ``close``, ``big`` (many megabytes, in pieces).
"""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import time

MB = 1 << 20


class Obedient(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            what, _, word = line.decode().strip().partition(" ")
            if what == "slow":
                time.sleep(0.3)
            if what in ("echo", "slow"):
                self.wfile.write(f"{word}\n".encode())
            elif what == "pieces":
                self.wfile.write(word[:-1].encode())
                time.sleep(0.3)
                self.wfile.write(f"{word[-1]}\n".encode())
            elif what == "big":
                for _ in range(8):
                    time.sleep(0.01)
                    self.wfile.write(bytes(MB))
            elif what == "reset":
                linger = struct.pack("ii", 1, 0)
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.request.close()  # not shut down before
                return
            elif what == "close":
                return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Obedient) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()

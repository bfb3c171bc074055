"""Requests and answers: one JSON object each, a line, over a connection of their own."""

from __future__ import annotations

import json
import socket
import socketserver
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Message = dict[str, Any]

PORT = 7100
ANSWER = 1.0  # seconds


def ask(address: str, **message: Any) -> Message:
    """Return what a server answers.

    Raises:
        OSError: It does not, in time.
    """
    with socket.create_connection((address, PORT), ANSWER) as sock, sock.makefile("rw") as file:
        file.write(json.dumps(message) + "\n")
        file.flush()
        line = file.readline()
    if not line:
        raise ConnectionResetError("no answer")
    answer: Message = json.loads(line)
    return answer


def serve(handle: Callable[[Message], Message]) -> None:
    """Answer each request with what *handle* makes of it, for ever; one at a time."""

    class Handler(socketserver.StreamRequestHandler):
        timeout = ANSWER

        def handle(self) -> None:
            try:
                line = self.rfile.readline()
                if line:
                    self.wfile.write(json.dumps(handle(json.loads(line))).encode() + b"\n")
            except OSError:
                pass  # who has asked has gone

    with socketserver.TCPServer(("", PORT), Handler) as server:
        server.serve_forever()

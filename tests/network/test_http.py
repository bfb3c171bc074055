"""Programs of the standard library, unmodified, as servers and clients on hosts."""

from __future__ import annotations

import socket
import socketserver
import urllib.request
import xmlrpc.client
import xmlrpc.server
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.client_address[0]
        body = f"hello {host}, I am {self.server.server_name}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.mark.parametrize("kind", [HTTPServer, ThreadingHTTPServer])
def test_http(logged, kind):
    def serve():
        with kind(("", 8000), Greeter) as server:
            server.serve_forever()

    def ask(log):
        with urllib.request.urlopen("http://db-1:8000/", timeout=5) as answer:
            log(answer.read().decode())

    def program(sim, log):
        sim.network.set(latency=0.25)
        server = sim.host("db-1").start(serve)
        sim.settle()
        for _ in range(2):
            sim.host("web-1").start(ask, log).join()
        server.kill()

    assert logged(program) == [
        (1.0, "hello 127.1.0.2, I am db-1"),
        (2.0, "hello 127.1.0.2, I am db-1"),
    ]


def test_xmlrpc(logged):
    def serve():
        address = ("localhost", 8000)
        with xmlrpc.server.SimpleXMLRPCServer(address, logRequests=False) as server:
            server.register_function(pow)
            server.serve_forever()

    def ask(log):
        with xmlrpc.client.ServerProxy("http://db-1:8000/") as proxy:
            log(proxy.pow(2, 9))
            log(proxy.pow(3, 3))

    def program(sim, log):
        sim.network.set(latency=0.25)
        server = sim.host("db-1").start(serve)
        sim.settle()
        sim.host("web-1").start(ask, log).join()
        server.kill()

    assert [what for _, what in logged(program)] == [512, 27]


def test_udp_server(logged):
    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            data, sock = self.request
            sock.sendto(data.upper(), self.client_address)

    def serve():
        with socketserver.UDPServer(("", 9999), Echo) as server:
            server.serve_forever()

    def ask(log):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"hello", ("db-1", 9999))
            log(sock.recv(10))

    def program(sim, log):
        sim.network.set(latency=0.25)
        server = sim.host("db-1").start(serve)
        sim.settle()
        sim.host("web-1").start(ask, log).join()
        server.kill()

    assert logged(program) == [(0.5, b"HELLO")]

"""Unmodified HTTP clients and servers, and what else speaks over sockets in the standard library."""

from __future__ import annotations

import http.client
import json
import os
import socketserver
import threading
import time
import urllib.error
import urllib.request
import xmlrpc.client
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from logging import getLogger
from logging.handlers import SocketHandler
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

import pytest
import requests


class Sleeper(BaseHTTPRequestHandler):
    """Answers ``/2`` after two seconds."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        seconds = float(self.path[1:])
        time.sleep(seconds)
        body = json.dumps({"slept": seconds}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *args):
        pass


@contextmanager
def serving(server):
    """Serve in a thread; yield the address."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("kind", [HTTPServer, ThreadingHTTPServer])
def test_a_handler_that_sleeps_two_seconds_is_answered_after_two_seconds(logged, kind):
    def program(log):
        with (
            serving(kind(("127.0.0.1", 0), Sleeper)) as url,
            urllib.request.urlopen(f"{url}/2", timeout=5) as answer,
        ):
            log(json.load(answer))

    assert logged(program) == [(2.0, {"slept": 2.0})]


def test_urllib_times_out_at_its_timeout(logged):
    def program(log):
        with serving(ThreadingHTTPServer(("127.0.0.1", 0), Sleeper)) as url:
            with pytest.raises((TimeoutError, urllib.error.URLError), match="timed out"):
                urllib.request.urlopen(f"{url}/2", timeout=1.25)
            log("timed out")
        log("the server has looked for its end")

    assert logged(program) == [(1.25, "timed out"), (1.5, "the server has looked for its end")]


def test_clients_of_a_threading_server_are_served_at_the_same_time(logged):
    def program(log):
        def ask(seconds):
            with urllib.request.urlopen(f"{url}/{seconds}", timeout=5) as answer:
                log(json.load(answer)["slept"])

        with serving(ThreadingHTTPServer(("127.0.0.1", 0), Sleeper)) as url:
            threads = [threading.Thread(target=ask, args=(s,)) for s in (3, 1, 2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert logged(program) == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


def test_clients_of_a_plain_server_are_served_one_after_the_other(logged):
    def program(log):
        def ask(seconds):
            with urllib.request.urlopen(f"{url}/{seconds}", timeout=10) as answer:
                log(json.load(answer)["slept"])

        with serving(HTTPServer(("127.0.0.1", 0), Sleeper)) as url:
            threads = [threading.Thread(target=ask, args=(s,)) for s in (3, 1, 2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert logged(program) == [(3.0, 3.0), (4.0, 1.0), (6.0, 2.0)]


def test_requests_with_a_session_that_keeps_its_connection(logged):
    def program(log):
        with (
            serving(ThreadingHTTPServer(("127.0.0.1", 0), Sleeper)) as url,
            requests.Session() as session,
        ):
            for seconds in (1, 0, 2.5):
                log(session.get(f"{url}/{seconds}", timeout=5).json()["slept"])
            log(session.post(url, data=b"abc", timeout=5).content)

    assert logged(program) == [(1.0, 1.0), (1.0, 0.0), (3.5, 2.5), (3.5, b"cba")]


def test_requests_times_out_at_its_timeout(logged):
    def program(log):
        with serving(ThreadingHTTPServer(("127.0.0.1", 0), Sleeper)) as url:
            with pytest.raises(requests.ReadTimeout, match="Read timed out"):
                requests.get(f"{url}/2", timeout=1)
            log("timed out")

    assert logged(program) == [(1.0, "timed out")]


def test_an_http_client_is_asked_again_on_the_same_connection(logged):
    def program(log):
        with serving(ThreadingHTTPServer(("127.0.0.1", 0), Sleeper)) as url:
            connection = http.client.HTTPConnection(url[7:], timeout=3)
            for seconds in (2, 1):
                connection.request("GET", f"/{seconds}")
                log(connection.getresponse().read())
            connection.close()

    assert logged(program) == [(2.0, b'{"slept": 2.0}'), (3.0, b'{"slept": 1.0}')]


def test_nobody_listens(logged, free_port):
    def program(log):
        with pytest.raises(urllib.error.URLError, match="Connection refused"):
            urllib.request.urlopen(f"http://127.0.0.1:{free_port}/", timeout=5)
        with pytest.raises(requests.ConnectionError, match="Connection refused"):
            requests.get(f"http://127.0.0.1:{free_port}/", timeout=5)
        log("refused")

    assert logged(program) == [(0.0, "refused")]


# ---------------------------------------------------------------------- socketserver


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            time.sleep(1)
            self.wfile.write(line.upper())


@pytest.mark.parametrize("kind", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_socketserver(logged, kind):
    import socket

    def program(log):
        with serving(kind(("127.0.0.1", 0), Lines)) as url:
            port = int(url.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
                file = sock.makefile("rw")
                for word in ("one", "two"):
                    print(word, file=file, flush=True)
                    log(file.readline())
                file.close()

    assert logged(program) == [(1.0, "ONE\n"), (2.0, "TWO\n")]


def test_a_udp_socketserver(logged):
    import socket

    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            data, sock = self.request
            time.sleep(1)
            sock.sendto(data.upper(), self.client_address)

    def program(log):
        with (
            serving(socketserver.UDPServer(("127.0.0.1", 0), Echo)) as url,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        ):
            sock.settimeout(3)
            sock.sendto(b"a", ("127.0.0.1", int(url.rpartition(":")[2])))
            log(sock.recvfrom(10)[0])
            with pytest.raises(TimeoutError, match="timed out"):
                sock.recvfrom(10)
            log("timed out")

    assert logged(program) == [(1.0, b"A"), (4.0, "timed out")]


def test_a_server_without_requests_looks_for_its_end_twice_a_second(logged):
    def program(log):
        server = socketserver.TCPServer(("127.0.0.1", 0), Lines)
        looks = []
        server.service_actions = lambda: looks.append(time.monotonic() - 1000)
        with serving(server):
            time.sleep(1.75)
        log(looks)

    assert logged(program) == [(2.0, [0.5, 1.0, 1.5])]


# ----------------------------------------------------------------------- other users


def test_xmlrpc(logged):
    class Quiet(SimpleXMLRPCRequestHandler):
        def log_message(self, *args):
            pass

    def program(log):
        server = SimpleXMLRPCServer(("127.0.0.1", 0), Quiet)

        @server.register_function
        def add(one, other):
            time.sleep(1.5)
            return one + other

        with serving(server) as url, xmlrpc.client.ServerProxy(url) as proxy:
            log(proxy.add(1, 2))
            with pytest.raises(xmlrpc.client.Fault, match="not supported"):
                proxy.subtract(1, 2)
            log("fault")

    assert logged(program) == [(1.5, 3), (1.5, "fault")]


def test_a_logging_socket_handler(logged):
    class Receiver(socketserver.StreamRequestHandler):
        def handle(self):
            size = int.from_bytes(self.rfile.read(4), "big")
            self.server.log((size > 100, b"a message" in self.rfile.read(size)))

    def program(log):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Receiver)
        server.log = log
        with serving(server) as url:
            handler = SocketHandler("127.0.0.1", int(url.rpartition(":")[2]))
            logger = getLogger("simclock-tests-sockets")
            logger.propagate = False
            logger.addHandler(handler)
            logger.error("a message")
            logger.removeHandler(handler)
            handler.close()

    assert logged(program) == [(0.0, (True, True))]

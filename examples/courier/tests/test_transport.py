import io
import urllib.error
from email.message import Message

import pytest

from courier.model import Endpoint
from courier.transport import HttpTransport, TimeLimited

ENDPOINT = Endpoint("shop", "https://shop.example/hook")


@pytest.fixture(scope="module")
def limited(internet):
    """A transport with a pool of threads for all tests of this module."""
    transport = TimeLimited(internet, limit=1.0, at_once=4)
    yield transport
    transport.close()


def test_an_answer_in_time_is_passed_on(internet, limited):
    partner = internet.partner(latency=0.3, answers=[204])

    assert limited.send(partner.endpoint, b"body", {}) == 204
    assert partner.requests == [(b"body", {})]


@pytest.mark.smoke
def test_an_answer_too_late_is_a_timeout(internet, limited, watch):
    partner = internet.partner("sloth", latency=4.0)

    with pytest.raises(TimeoutError, match=r"no answer from sloth-\d+ in 1 s"):
        limited.send(partner.endpoint, b"", {})

    assert 0.95 <= watch.seconds < 3.6


def test_an_error_is_passed_on(internet, limited):
    partner = internet.partner(answers=[ConnectionResetError("reset by peer")])

    with pytest.raises(ConnectionResetError, match="reset by peer"):
        limited.send(partner.endpoint, b"", {})


def test_closing_waits_for_requests_that_were_given_up(internet, watch):
    partner = internet.partner(latency=4.0)
    transport = TimeLimited(internet, limit=0.5)
    with pytest.raises(TimeoutError):
        transport.send(partner.endpoint, b"", {})

    transport.close()

    assert 3.9 <= watch.seconds < 7.0


class Answer(io.BytesIO):
    status = 202


def test_http_posts_the_body(monkeypatch):
    seen = []

    def urlopen(request, timeout):
        seen.append((request.get_method(), request.full_url, request.data, timeout))
        return Answer()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)

    assert HttpTransport(timeout=3).send(ENDPOINT, b"body", {"X": "1"}) == 202
    assert seen == [("POST", "https://shop.example/hook", b"body", 3)]


def test_an_http_error_is_a_status(monkeypatch):
    def urlopen(request, timeout):
        raise urllib.error.HTTPError(request.full_url, 503, "busy", Message(), io.BytesIO())

    monkeypatch.setattr("urllib.request.urlopen", urlopen)

    assert HttpTransport().send(ENDPOINT, b"", {}) == 503

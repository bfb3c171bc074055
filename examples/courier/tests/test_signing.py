import time
from datetime import datetime, timedelta, timezone

import pytest

from courier.signing import BadSignature, sign, verify

SECRET = b"between you and me"
BODY = b'{"kind": "order.paid"}'


def test_a_fresh_signature_is_good():
    before = datetime.now(timezone.utc)
    signature = sign(SECRET, BODY)
    after = datetime.now(timezone.utc)

    assert before <= verify(SECRET, BODY, signature, timedelta(seconds=5)) <= after


@pytest.mark.parametrize(
    ("secret", "body"), [(b"another", BODY), (SECRET, BODY + b" ")], ids=["secret", "body"]
)
def test_another_secret_or_body_is_not(secret, body):
    with pytest.raises(BadSignature, match="wrong signature"):
        verify(secret, body, sign(SECRET, BODY), timedelta(seconds=5))


@pytest.mark.parametrize("tolerance", [1.0, 2.5])
def test_a_signature_gets_too_old(tolerance):
    signature = sign(SECRET, BODY)

    time.sleep(tolerance - 0.7)
    verify(SECRET, BODY, signature, timedelta(seconds=tolerance))

    time.sleep(1.0)
    with pytest.raises(BadSignature, match="s ago"):
        verify(SECRET, BODY, signature, timedelta(seconds=tolerance))


@pytest.mark.parametrize(
    "nonsense",
    ["", "t=,v1=", "v1=abc", "t=2020-01-01T00:00:00+00:00"],
    ids=["nothing", "empty", "no-time", "no-digest"],
)
def test_nonsense_is_not_a_signature(nonsense):
    with pytest.raises(BadSignature):
        verify(SECRET, BODY, nonsense, timedelta(days=9999))

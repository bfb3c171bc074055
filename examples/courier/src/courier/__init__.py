"""Deliver webhooks: queued, signed, rate limited, retried, and given up in the end.

``service`` puts the parts together: ``registry`` and ``cache`` say who wants an event, ``outbox``
keeps what is to be sent and when, ``transport`` sends it, ``signing`` signs it, ``bucket`` and
``breaker`` protect the receiver, ``retry`` says when to try again, ``batcher`` and ``receipts``
keep the books, ``lease`` elects the one instance on which ``janitor`` cleans up, ``prober`` looks
after endpoints that are down, ``window`` counts.
"""

from courier.service import Courier, Settings

__all__ = ["Courier", "Settings"]

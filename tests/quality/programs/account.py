"""A check of an account that is wrong, and says so only if it comes after both movements.

After SCTBench's ``account_bad``. Fails: deposit, withdraw, check.
"""

from __future__ import annotations

import threading

from .threads import together

START, DEPOSIT, WITHDRAWAL = 100, 30, 10


def bug():
    """Expect what a withdrawal in place of the deposit would leave."""
    _run(START - DEPOSIT - WITHDRAWAL)


def fixed():
    """Expect what both leave."""
    _run(START + DEPOSIT - WITHDRAWAL)


def _run(expected):
    lock = threading.Lock()
    balance = START
    deposited = withdrawn = False

    def deposit():
        nonlocal balance, deposited
        with lock:
            balance += DEPOSIT
            deposited = True

    def withdraw():
        nonlocal balance, withdrawn
        with lock:
            balance -= WITHDRAWAL
            withdrawn = True

    def check():
        with lock:
            if deposited and withdrawn:
                assert balance == expected

    together(check, deposit, withdraw)

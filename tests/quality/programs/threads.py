"""What programs of several threads have in common."""

from __future__ import annotations

import threading


def together(*functions):
    """Run each function in a thread of its own, started in this order; raise the first error."""
    errors = []

    def call(function):
        try:
            function()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]

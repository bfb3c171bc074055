"""Lanes: simulations that run at the same time on one machine use different real addresses."""

from __future__ import annotations

import socket

# The second number of the addresses that programs see, and of the real ones if nobody else is here.
FIRST = 1
LAST = 250
_PREFIX = f"127.{FIRST}."
# Names of sockets that belong to the network's namespace, as loopback addresses do, and end with
# the process that has them.
_CLAIM = "\0simclock-network-"


class Lane:
    """A claim on the addresses 127.N.*.*, with the first N that nobody has.

    Attributes:
        number: N.
    """

    def __init__(self) -> None:
        self._claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        for number in range(FIRST, LAST + 1):
            try:
                self._claim.bind(f"{_CLAIM}{number}")
            except OSError:
                continue
            self.number = number
            return
        self._claim.close()
        raise RuntimeError(
            f"{LAST} simulations with hosts are open on this machine, there is no room for more\n"
            "close some of them first"
        )

    def real(self, address: str) -> str:
        """Return the real address for one that programs see, that of no host as it is."""
        if self.number == FIRST or not address.startswith(_PREFIX):
            return address
        return f"127.{self.number}.{address.removeprefix(_PREFIX)}"

    def close(self) -> None:
        """End the claim."""
        self._claim.close()

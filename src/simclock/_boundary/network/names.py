"""Names and addresses of hosts: each listens at its own, and no name server is asked for them."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from simclock._boundary.active import kernel
from simclock._boundary.network.lanes import FIRST, Lane
from simclock._boundary.rows import originals

# What means the machine itself.
_ANY = ("", "0.0.0.0")  # noqa: S104 - it is what programs bind, not what is bound here
_MYSELF = ("localhost", "localhost.localdomain", "127.0.0.1")
_LOOPBACK = "127."
# What `socket` has no name for before 3.14: an address without a port, which connecting adds.
_BIND_ADDRESS_NO_PORT = 24
# The arguments of ``getaddrinfo``.
_ASKED = ("host", "port", "family", "type", "proto", "flags")
# At no host's address.
_NOWHERE = "127.1.255.254"
# What a resolver returns that is not asked here.
ASK = object()


class Names:
    """The hosts of a simulation, by name and by address.

    Programs see the same addresses in each run. The real ones differ in their
    second number from those of every other simulation on this machine that has
    hosts now, so that those may have the same ports.

    Attributes:
        addresses: As programs see them, by name in lower case.
        hosts: Names by the real address.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.hosts: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._lane = Lane()

    def add(self, name: str, address: str) -> None:
        """Note a host, whose address programs see so."""
        self.addresses[name.lower()] = address
        self._named[address] = name
        self.hosts[self._lane.real(address)] = name

    def real(self, name: str) -> str:
        """Return the real address of a host."""
        return self._lane.real(self.addresses[name.lower()])

    def shown(self, address: Any) -> Any:
        """Return what a program sees of a real address."""
        if self._lane.number != FIRST and _is_pair(address) and address[0] in self.hosts:
            return (self.addresses[self.hosts[address[0]].lower()], *address[1:])
        return address

    def nowhere(self) -> str:
        """Return a real address that no host has."""
        return self._lane.real(_NOWHERE)

    def close(self) -> None:
        """Let others have the real addresses."""
        self._lane.close()

    # -------------------------------------------------------------- addresses

    def bound(self, sock: Any, address: Any) -> Any:
        """Return what is bound where a program binds *address*."""
        mine = self._mine()
        if sock.family != socket.AF_INET or not _is_pair(address):
            return address
        host = self._known(address[0], mine)
        if mine is None:
            return (host, *address[1:])
        if host != mine and host in self.hosts and isinstance(address[1], int):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        if sock.type == socket.SOCK_STREAM:
            # A port that was used rests for a real minute, whatever the virtual clock shows.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return (host, *address[1:])

    def reached(self, sock: Any, address: Any) -> Any:
        """Return what is connected where a program connects *address*.

        A socket of a host that has no address gets the host's, so that the other
        end sees who that is.
        """
        mine = self._mine()
        if sock.family != socket.AF_INET or not _is_pair(address):
            return address
        host = self._known(address[0], mine)
        if mine is not None and str(host).startswith(_LOOPBACK):
            _take_address(sock, mine)
        return (host, *address[1:])

    def _mine(self) -> str | None:
        """Return the real address of the host that the calling thread runs on, or None."""
        address = here()
        return None if address is None else self._lane.real(address)

    def _known(self, host: Any, mine: str | None) -> Any:
        """Return the real address that *host* is, *host* itself if others know that."""
        name = _text(host)
        if name is None:
            return host  # the original says what is wrong
        if name in self.addresses or name in self._named:
            return self._lane.real(self.addresses.get(name, name))
        if mine is None:
            return host
        if name in _ANY or name in _MYSELF:
            return mine
        if not _is_literal(name):
            raise _unknown()
        return host

    # -------------------------------------------------------------- resolvers

    def resolve(self, resolver: str, *args: Any, **kwargs: Any) -> Any:
        """Return what *resolver* of `socket` says, or `ASK` where it is to be asked."""
        host = args[0] if args else kwargs.get("host")
        mine = here()
        if resolver == "getnameinfo":
            return self._name_info(mine, *args, **kwargs)
        name = "" if host is None else _text(host)
        if name is None or len(args) > len(_ASKED) or (mine is None and not self._is_host(name)):
            return ASK
        return getattr(self, f"_{resolver}")(name, *args, **kwargs)

    def _is_host(self, name: str) -> bool:
        return name in self.addresses or name in self._named

    def _literal(self, name: str) -> str:
        """Return the address of *name* as a text that no resolver is asked for."""
        if name in _MYSELF:
            return "127.0.0.1"
        if not name:
            return name  # whatever is the machine's own
        address = self.addresses.get(name, name)
        if not _is_literal(address):
            raise _unknown()
        return address

    def _getaddrinfo(self, name: str, *args: Any, **kwargs: Any) -> Any:
        asked = {"family": 0, "flags": 0, **dict(zip(_ASKED, args, strict=False)), **kwargs}
        family, flags = asked["family"], asked["flags"]
        # Hosts have IPv4 only; a literal of IPv6 is what it is.
        if family == 0 and ":" not in name:
            asked["family"] = socket.AF_INET
        asked["host"] = self._literal(name) or asked["host"]
        found = originals["_socket.getaddrinfo"](**asked)
        if isinstance(flags, int) and flags & socket.AI_CANONNAME and name in self.addresses:
            official = self._named[self.addresses[name]]
            found[0] = (*found[0][:3], official, found[0][4])
        return found

    def _gethostbyname(self, name: str, *_: Any) -> str:
        return str(originals["_socket.gethostbyname"](self._literal(name)))

    def _gethostbyname_ex(self, name: str, *_: Any) -> tuple[str, list[str], list[str]]:
        return name, [], [self._gethostbyname(name)]

    def _gethostbyaddr(self, name: str, *_: Any) -> tuple[str, list[str], list[str]]:
        address = self._gethostbyname(name)
        if address in self._named:
            return self._named[address], [], [address]
        if address in _MYSELF:
            return "localhost", [], [address]
        raise socket.herror(1, "Unknown host")

    def _name_info(self, mine: str | None, *args: Any, **kwargs: Any) -> Any:
        if len(args) != 2 or kwargs or not _is_pair(args[0]) or not isinstance(args[1], int):
            return ASK  # the original says what is wrong
        address, flags = args
        known = self._named.get(address[0])
        if mine is None and known is None:
            return ASK
        if flags & socket.NI_NUMERICHOST:
            known = None
        elif known is None and flags & socket.NI_NAMEREQD:
            raise _unknown()
        numeric = (flags | socket.NI_NUMERICHOST) & ~socket.NI_NAMEREQD
        host, service = originals["_socket.getnameinfo"](address, numeric)
        return known or host, service


def here() -> str | None:
    """Return the address of the calling thread's host, as programs see it, or None."""
    group = kernel().current.group
    return None if group is None or group.host is None else str(group.host.address)


def _take_address(sock: Any, mine: str) -> None:
    if sock.getsockname() != ("0.0.0.0", 0):  # noqa: S104 - an unbound socket's
        return
    if sock.type == socket.SOCK_STREAM:
        # Else all connections of a host would share its ports, whomever they are to.
        sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    originals["_socket.socket.bind"](sock, (mine, 0))


def _is_pair(address: Any) -> bool:
    return isinstance(address, tuple) and len(address) == 2


def _text(host: Any) -> str | None:
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", errors="replace")
    return host.lower() if isinstance(host, str) else None


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return host == "<broadcast>"


def _unknown() -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, "Name or service not known")

"""The network between simulated hosts, on the real loopback sockets of this process.

Each module has one idea, and imports those above it only:

- `lanes`: which real addresses a simulation has for itself.
- `names`: what hosts are called, and which addresses a thread of a host binds and connects.
- `links`: what is between two hosts: how long it takes, what gets lost, who is cut off.
- `wires`: bytes of a TCP connection on their way.
- `datagrams`: datagrams on their way.
- `connecting`: connections that are being made.
- `stuck`: what has arrived but finds no room.
- `machines`: what power cuts and resets do to the sockets of a machine.
- `state`: all of it, of one simulation: what the replacements of sockets' methods call.
"""

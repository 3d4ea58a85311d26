"""TCP ports of this machine that nobody uses: for what is told to listen at any."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
FIRST_PORT = 10_000
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Return numbers of TCP ports of the loopback interface that nobody uses now.

    They are not of those that the system gives to outgoing connections: such a port could
    be gone when its node wants it back, and who keeps trying to reach a dead node there
    may be connected to itself.
    """
    below = _first_outgoing_port()
    candidates = random.sample(range(FIRST_PORT, below), k=below - FIRST_PORT)
    found: list[int] = []
    for number in candidates:
        if len(found) == count:
            break
        if is_free(number):
            found.append(number)
    return found


def is_free(number: int) -> bool:
    """Tell whether nobody listens at that port of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, number))
        except OSError:
            return False
    return True


def _first_outgoing_port() -> int:
    try:
        first = int(_PORT_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = 0
    return first if first > FIRST_PORT + 1000 else 32768

"""Where simclock works; anything else is refused by name."""

from __future__ import annotations

import select
import sys
import sysconfig

from simclock.errors import Unsupported

NEWEST = (3, 13)


def refusal(
    implementation: str,
    version: tuple[int, int],
    *,
    free_threaded: bool,
    pollers: bool,
    platform: str,
) -> str | None:
    """Return why such an interpreter cannot be simulated, or None if it can."""
    if implementation != "cpython":
        return (
            f"this interpreter is {implementation}: only CPython has method definitions to redirect"
        )
    if free_threaded:
        return "this is a free-threaded build: the redirection relies on the GIL"
    if not (3, 10) <= version <= NEWEST:
        return f"this is Python {version[0]}.{version[1]}: 3.10 to 3.13 are covered"
    if not pollers:
        return f"this platform is {platform}: its pollers are not covered, only Linux's epoll is"
    return None


def check_platform() -> None:
    """Raise `Unsupported` where simclock does not work."""
    reason = refusal(
        sys.implementation.name,
        sys.version_info[:2],
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        pollers=hasattr(select, "epoll"),
        platform=sys.platform,
    )
    if reason is not None:
        raise Unsupported(
            f"cannot simulate: {reason}\nrun these tests with CPython 3.10 to 3.13 on Linux"
        )

"""``python -m simclock.systems.services CONFIG``: run the services of a configuration.

SIGINT and SIGTERM end it. Exit codes:

0  it was ended by a signal or by shutdown()
1  a service has failed
2  the command or the configuration is wrong
3  it was ended, and something would not stop; its name is in the log
"""

from __future__ import annotations

import argparse
import collections
import logging
import os
import sys

from simclock.systems.services import units
from simclock.systems.services.configuration import ConfigurationError, load
from simclock.systems.services.failures import BackgroundFailure
from simclock.systems.services.runner import check_grace, runtime

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]  # not CRITICAL: it is said why the command ends
ENDED, FAILED, WRONG, ABANDONED = range(4)
KEEP = "make instances of a class with @service(flavour=...), and keep them: beat = Beat()"
log: logging.Logger = logging.getLogger("simclock.systems.services")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simclock.systems.services",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("config", help="a file .py or .toml")
    parser.add_argument(
        "--grace",
        type=_grace,
        default=runtime.grace,
        metavar="SECONDS",
        help="that services have to end after they were asked (%(default)g)",
    )
    parser.add_argument(
        "--log-level",
        type=str.upper,
        choices=LEVELS,
        default="INFO",
        metavar="LEVEL",
        help=f"of what is logged: {', '.join(LEVELS)} (%(default)s)",
    )
    options = parser.parse_args(arguments)
    config, runtime.grace = options.config, options.grace
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(message)s")
    try:
        services = load(config)
    except ConfigurationError as error:
        _tell("configuration error", error, error.__cause__)
        return WRONG
    names = [*units.names(), *runtime.waiting()]
    if not names:
        log.error(
            "configuration error: %s: it made no service that is still there\n%s", config, KEEP
        )
        return WRONG
    log.info("starts %s", _counted(names))
    code = _run()
    services.clear()  # until now they were kept alive
    return code


def _grace(text: str) -> float:
    """Return the seconds of a grace period; for the parser, to which errors tell what they say."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    try:
        check_grace(seconds)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds from 0 to 1e9: give one such as 10"
        ) from None
    return seconds


def _counted(names: list[str]) -> str:
    counts = collections.Counter(names)
    return ", ".join(name if n == 1 else f"{n} x {name}" for name, n in counts.items())


def _run() -> int:
    log.info("runs until SIGINT or SIGTERM, pid %d", os.getpid())
    try:
        runtime.accept()
    except BackgroundFailure as error:
        _tell("terminated", error)  # each failure was logged with its traceback
        return FAILED
    log.info("ended")
    return ABANDONED if _abandoned() else ENDED


def _tell(what: str, error: Exception, cause: BaseException | None = None) -> None:
    log.error("%s: %s", what, error, exc_info=cause)


def _abandoned() -> tuple[str, ...]:
    return runtime.report.abandoned if runtime.report else ()


def _exit(code: int) -> None:
    """End the process; what was abandoned must not keep it."""
    if _abandoned():
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":  # pragma: no branch - nobody imports a command
    _exit(main())

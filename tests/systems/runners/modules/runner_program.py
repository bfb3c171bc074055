"""A runner in a process of its own, which tests kill; ``python runner_program.py CLASS URL PREFIX``."""

from __future__ import annotations

import signal
import sys
import threading
import time

import runner_tasks

from simclock.systems.runners.app import Pynenc, runner_class
from simclock.systems.runners.storage import open_storage


def main(name, url, prefix):
    storage = open_storage(url, prefix, durable=False)
    app = Pynenc({"app_id": runner_tasks.app.app_id, "heartbeat_interval": 0.3}, storage=storage)
    runner = runner_class(name)(app)
    before = signal.getsignal(signal.SIGINT)
    threading.Thread(target=say, args=(runner,), daemon=True).start()
    runner.run()
    tell("put back" if signal.getsignal(signal.SIGINT) is before else "changed")


def say(runner):
    while not runner.running:
        time.sleep(0.01)
    tell("runs")


def tell(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

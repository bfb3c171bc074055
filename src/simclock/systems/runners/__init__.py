"""Run tasks on many runners: each invocation ends once, whatever happens to those who run it.

    app = Pynenc({"app_id": "shop", "storage_url": "redis://localhost"})

    @app.task(max_retries=3, retry_delay=1.0, backoff=2.0)
    def charge(order: int) -> str: ...

    invocation = charge(7)              # registered, for any runner of the application
    invocation.get_result(timeout=60)   # in one place
    ThreadRunner(app).run()             # in another

``app`` puts the parts together; ``tasks`` and ``options`` say what is to be
run and how, ``calls`` and ``arguments`` with what; ``invocations`` is what a
caller has of it, ``execution`` what a runner does with it, ``context`` who
runs it.

``orchestrator`` decides who may run what: an invocation is one record
(``stored``), which goes from one of its ``statuses`` to another by
compare-and-set; the queue only hints at what may be available; ``slots``
keeps those apart that must not be there at the same time. ``heartbeats`` tells
who is alive, ``recovery`` takes from the dead, ``housekeeping`` forgets what ended
long ago. All of it is kept in a ``storage``: memory, SQLite, Redis, or a
server of stores.

``base`` is what all runners are: threads, coroutines, processes for each
task, workers that stay, workers with threads. ``triggers`` begin tasks by
themselves, ``services`` sees that one runner at a time does what only one may
do. ``config`` has the numbers, ``failures`` what goes wrong, ``identifiers``
what everything is known by. What happens is logged to
``simclock.systems.runners``.
"""

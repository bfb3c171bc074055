"""Run simclock beside old and new versions of the plugins for asynchronous tests.

From the outside in: `__main__` is the command, `running` is one run of the suite
``tests/asyncplugins``, `making` installs what that needs, and `environments` lists the versions.
"""

"""Run the standard library's own asyncio tests in simulated time, on `SimEventLoop`.

From the outside in: `__main__` is the command, `page` writes what came out, `judging` says which
outcomes are as they must be, `listed` names the tests that do not apply and why, `running` takes
one module through child processes, and `child` is what such a process runs.
"""

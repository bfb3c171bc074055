"""Where jobs and their records are kept: in memory, in a SQLite file, in a server.

`Jobs` is a queue that loses nothing, `Records` a table whose rows are changed
by compare-and-set. Both are synchronous and thread-safe; a system on asyncio
calls those that do input and output in threads.
"""

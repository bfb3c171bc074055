"""How fast simclock runs asyncio programs, beside other simulators of asyncio and of time.

``python -m benchmarks.rivals`` (or ``./dev rivals``, which installs the others)
runs each case on each subject, prints tables of ratios and writes a chart.

Layout: `cases` says what is measured, `subjects` on what; the programs are in
`on_asyncio`, `on_trio` and `on_simpy`. `sample` is one sample, in a process of
its own; `sampling` takes them in turns; `results` judges them; `tables`,
`chart` and `page` show what came out.

`explorers` and `on_threads` are apart from that: explorers of thread schedules
and their programs, which ``python -m benchmarks schedules`` compares here.
"""

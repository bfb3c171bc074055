"""Run published projects' own tests for real, then in simulated time, and compare the two.

From the outside in: `__main__` is the command, `page` writes what came out, `comparing` takes one
project through both runs, `running` is one run of pytest, `fetching` gets the pinned bytes,
`project` says what a project is, and `projects` lists them.
"""

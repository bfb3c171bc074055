"""Compare simclock with others, by small programs that each tool runs, and write what came out.

From the outside in: `__main__` is the command, `page` writes the tables, `asked` lists what is
asked of whom and how an answer is judged, `measuring` asks, each in a process of its own
(`sample`), `facts` reads what packages say of themselves, and `tools` names the tools. The programs
are in `probes`, and how each tool runs a program is in `under`.
"""

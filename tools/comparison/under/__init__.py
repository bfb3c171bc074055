"""How each tool runs a program: a module for each kind of program, a function for each tool.

Everything is used as the tool's own documentation has it. A tool that has no function in a module
has no way to run such programs, and is not asked.
"""

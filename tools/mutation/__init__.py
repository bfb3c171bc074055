"""Change the code in small ways, and see which changes no test notices.

From the outside in: `__main__` is the command, `page` writes what came out, `campaign` takes each
mutant through the tests of its line, `running` runs tests in forked children on copies of the
sources, `recording` learns which tests run a line, `mutants` finds what to change (with
cosmic-ray), `operators` adds one change to cosmic-ray's, `targets` says which modules and which
tests, `results` keeps what came out.
``results.json`` is what came out, ``explained.json`` why each surviving mutant survives.
"""

"""Writes the pages of ``docs/reference`` that come of the code.

What a page says is what the code says of itself: the help of an option, the
docstring of a fixture, a hook, an error. These are committed, for readers on a
code host, and a test compares them. Those of every public name are made while
the site is built, and stay out of the repository: ``python -m pydoc`` shows the
same.
"""

"""Ordinary programs: used for real in production, and in simulated time by their tests.

Each is a package of its own, such as ``simclock.systems.rates``. None of them knows the simulator.
"""

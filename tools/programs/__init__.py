"""Random programs over everything that waits, run twice each, against hangs and leaks."""

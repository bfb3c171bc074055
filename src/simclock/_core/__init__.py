"""The kernel: one clock, one baton, one schedule. Standard library only."""

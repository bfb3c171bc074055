"""trio in simulated time."""

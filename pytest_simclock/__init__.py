"""simclock's pytest plugin. Imports simclock only when a test is simulated."""

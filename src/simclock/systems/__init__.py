"""Five systems that run for real in production, and unchanged in a simulation."""

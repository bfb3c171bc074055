"""How the processes of `multiprocessing` are made in a simulation: real ones, or simulated ones."""

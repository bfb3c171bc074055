"""One run that failed, told: what its threads did, line by line, and which lines race."""

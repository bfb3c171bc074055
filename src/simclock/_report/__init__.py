"""What a run was like, for a person to look at."""

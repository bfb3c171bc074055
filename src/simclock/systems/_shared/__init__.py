"""What the systems have in common."""

"""What several systems are made of. Private: each system is used through its own package."""

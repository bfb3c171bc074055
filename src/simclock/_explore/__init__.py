"""Many runs of one scenario: search, replay, and what is said of them."""

"""Which pairs there are, what each one is, and from when to when it was listed."""

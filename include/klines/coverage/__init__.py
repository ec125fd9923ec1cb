"""What is stored, what is missing and why: the answers of the Coverage page, metrics for machines, and reports."""

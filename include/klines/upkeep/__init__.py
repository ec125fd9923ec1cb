"""Keeping it complete: the daily increment, the weekly gap fill, the monthly second look."""

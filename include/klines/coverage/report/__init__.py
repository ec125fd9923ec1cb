"""The report: how complete the data are, the worst series, and what changed in a week, as a page and in a terminal."""

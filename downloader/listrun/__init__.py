"""A list becomes jobs, and outcomes become report lines: what every door on the list run shares."""

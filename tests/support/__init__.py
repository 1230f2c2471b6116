"""What this suite's fixtures are made of; not public."""

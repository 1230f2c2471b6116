"""Files that are there are looked at again: a source says what they should be, and nothing is
written."""

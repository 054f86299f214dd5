"""Words and sentences of any script, with their places. No word lists, no language."""

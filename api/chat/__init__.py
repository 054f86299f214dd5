"""Chat Completions: another way to ask for the same runs, for clients that do not speak of responses."""

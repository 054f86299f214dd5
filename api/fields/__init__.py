"""The fields of a request, one subject per file: read, held against their limits, refused by name."""

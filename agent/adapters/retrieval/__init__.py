"""Documents: read, split, kept in PostgreSQL with a log of changes, and searched in each worker's own index."""

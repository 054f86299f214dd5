"""Tools that live elsewhere."""

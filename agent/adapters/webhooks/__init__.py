"""The way out to endpoints that strangers have named."""

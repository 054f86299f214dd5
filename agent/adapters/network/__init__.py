"""The way out to hosts that strangers have named: where a connection may go, and how it gets there."""

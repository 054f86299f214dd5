"""Prompts: loading, versions, rendering."""

"""The streams on Redis or Valkey."""

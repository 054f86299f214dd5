"""Streams of server-sent events: `telling` says what is in one, `sending` sends it while its run goes on."""

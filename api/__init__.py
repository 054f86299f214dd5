"""What a stranger sees: the HTTP door. It admits requests, waits for endings and shows them."""

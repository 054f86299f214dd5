"""What the service tells monitoring systems: counters (`metrics`) and spans (`tracing`). No text of a run in either."""

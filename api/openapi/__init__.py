"""The service's own description of its calls, for programs: OpenAPI 3.1, by hand, held against the routes."""

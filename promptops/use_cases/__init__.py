"""One row for each use case: its operation, and how it goes over HTTP. The gateways and the server's routes read it."""

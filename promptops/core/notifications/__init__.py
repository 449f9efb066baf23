"""What other services are sent about a registry: who receives it, the events, and how they are signed. No I/O."""

"""From a connection to a handler: protocol, limits, authentication, routing, errors."""

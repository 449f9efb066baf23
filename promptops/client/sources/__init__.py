"""Where a client reads from: a server, a folder, a bundle, or an adapter."""

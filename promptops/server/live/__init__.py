"""What a running server keeps in memory: snapshots, tokens, limits, heartbeats."""

"""How a client follows its channel: schedule, threads, loading and acceptance."""

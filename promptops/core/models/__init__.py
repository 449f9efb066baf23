"""What is known of models: their ends, their limits, and what their APIs refuse. Data, each row with its source."""

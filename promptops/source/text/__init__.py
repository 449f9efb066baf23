"""From bytes to fields: strict YAML, positions in a file, findings and their suppression."""

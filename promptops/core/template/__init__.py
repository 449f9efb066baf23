"""Templates of prompts: parsed, limited and rendered. No I/O."""

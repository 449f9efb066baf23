"""JSON Schemas of inputs, tools and answers: checked, compiled, and applied within a budget."""

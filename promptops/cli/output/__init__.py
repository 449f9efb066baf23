"""How results are shown: tables, colours, JSON."""

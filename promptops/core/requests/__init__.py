"""Requests as plain JSON: what each provider's API gets for a rendered prompt, one module for each API."""

"""Checks of a registry's rows against its audit log and its journal."""

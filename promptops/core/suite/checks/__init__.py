"""The checks that need no judge. A module has the ``problem`` of a setting, and the ``verdict`` of an answer."""

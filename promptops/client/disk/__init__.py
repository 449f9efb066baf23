"""Files of a client: its cache and override files, read only if they are trusted."""

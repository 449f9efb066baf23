"""Files in git -> parsed source: the first step of the path. What comes out are nouns of :mod:`promptops.core`."""

"""What of a client needs more packages than a client has: a registry's own database, a working tree, a prompt file.

``promptops.client`` never imports them: it finds sources by entry points, and the reader of mappings by its name, so an
application loads the packages of a database, of git or of YAML only if it needs them.

=====================  =================================================================
``database.py``        ``sqlite:///…`` and ``postgresql://…``, for one machine without a server
``prompt_mapping.py``  a prompt as a mapping with the keys of a prompt file, for fallbacks and tests
``working_tree.py``    ``repo:FOLDER``, live, for development
=====================  =================================================================
"""

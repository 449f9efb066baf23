"""Sources of a client that need more packages than a client has: a registry's own database, and a working tree.

``promptops.client`` never imports them: it finds them by entry points, so an application loads the packages of a
database or of git only if it reads from one.

=====================  =================================================================
``database.py``        ``sqlite:///…`` and ``postgresql://…``, for one machine without a server
``working_tree.py``    ``repo:FOLDER``, live, for development
=====================  =================================================================
"""

"""Places a client reads from that need more than a client has: a registry's own database, and a working tree.

``promptops.client`` never imports them by itself: :mod:`promptops.client.origin` finds them by the scheme of what it is
given, and only then are the database's packages, or git's, loaded into the application.

database.py      sqlite:///… and postgresql://…, for one machine without a server
working_tree.py  repo:FOLDER, live, for development
"""

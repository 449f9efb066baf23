"""What runs inside an application: it follows a channel and returns the channel's prompts without any I/O.

====================  ======================================================================
``sync_client.py``    ``Client``
``async_client.py``   ``AsyncClient``, whose loop only waits for the threads that follow
``background.py``     what both share: following with threads, and the end of a process
``base_client.py``    what both share: how they are made, and everything without I/O
``prompt.py``         what an application gets: a prompt, rendered or as a provider's arguments
``settings.py``       arguments and environment; ``status.py``: states and log events
``process.py``        notices a fork
``follow/``           when to ask, what to accept, how to load; the threads
``sources/``          where a client reads from: a server, a folder, a bundle, an adapter
``disk/``             the cache, bundles and override files
``state/``            the releases that a client serves, and the lookup of a prompt
====================  ======================================================================

Imports go down this list: faces, ``follow``, ``settings``, ``sources``, ``disk``, ``state``.
"""

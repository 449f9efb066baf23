"""What runs inside an application: follows a channel, and hands out its prompts without any I/O.

prompt.py      what an application gets: a prompt, rendered, or as the arguments of a provider's API
calls.py       a prompt and its messages -> those arguments
acceptance.py  what the registry says now, against what is held: is it followed?
arrival.py     sorts an arrival: apps that are ready, apps to load, apps that cannot be loaded
held.py        what is held: a snapshot and its releases, verified and compiled; an app that cannot be loaded is named
view.py        what is held, ready to be asked; every question is a lookup
files.py       what is held, on disk: the last that was known to be good, bundles, break-glass pins

client.py      Client: following with threads; asynchronous.py: AsyncClient, with the tasks of tasks.py
answering.py   what both have in common: how they are made, and everything that does no I/O
following.py   the threads that follow one channel; loaders.py: the threads that load new releases
course.py      how a channel is followed: everything but the network and the waiting
replica.py     what a process knows of one channel: held, view, state
refresh.py     generators that yield what to ask and are sent what came back; loading.py: app by app, the small first
beating.py     heartbeats, and the goodbye
schedule.py    when to ask again; events.py: server-sent events
origin.py      what a client is given as its source -> a place; what is asked of one; folder.py: files
http.py        questions as requests, and back; sending.py: the two senders, the only importer of httpx here
sources.py     sources -> places with the token of each
settings.py    arguments and environment; status.py: states, events of the log
"""

"""What releases did: histograms, sums of calls, ids of calls, and what a process reports of them. No I/O, no clock.

The client imports all of it, so it needs the standard library alone. A process adds up what its calls did
(``recorder``) and sends the sums as one report (``report``); the registry adds up those of many processes (``sums``).
"""

"""The command line. A command parses its arguments, calls one use case, and shows the result.

=================  ==================================================================
``main.py``        the table of commands; imports only click until a command is chosen
``commands/``      one module for each command
``command.py``     how a command is declared; ``options.py``: the options of all commands
``session.py``     what a command works with: registry, channel, actor, output
``output/``        tables, colours and JSON
``failures.py``    how an error is shown, and its exit code
=================  ==================================================================
"""

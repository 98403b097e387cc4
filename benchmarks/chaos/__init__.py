"""Breaking Kovra on purpose: real processes die, and the sandbox judges from outside what really happened.

``matrix``   every named point of death, with every action
``judge``    the invariants, checked against the database, the sandbox's counters and an open stream
``source``   an event stream that comes back, as a browser's does
"""

"""SHOW: what happened reaches every open page, in order, once. Redis carries the hurry, Postgres the truth.

``events``    what is shown: the event, the hint, and the bytes of a server-sent frame
``bulletin``  "look again": the doorbell that a writer rings after its commit
``listening`` hears the bulletin for a hub
``hints``     makes few of many hints that come close together
``hub``       one per process: reads new events once, formats them once, hands them to every open stream
``lag``       how late pages heard of events, for the metrics page
``feed``      one guild's streams: those that stand together, and those that stand alone
``crowd``     many wires that are written to in one tight loop
``stream``    what the hub hands events to: filtered for its viewer, in order
``subscription``  a stream that a reader takes from, frame by frame, in a bounded buffer
``wire``      a stream that the hub writes straight into a socket
``wires``     keeps a process's wires: beats, rests of writes, readers who left
``turns``     lets others run while many streams are looked after
``outcomes``  waits for the end of one request, for a slash command that edits its answer
``ports``     what this room asks of the world

The path: a transaction writes a numbered event; after its commit the writer rings the bulletin; the hub reads what is
newer than it has shown and fans it out. A lost ring costs at most a tick of the hub; a lost connection costs nothing,
because the reader names the last number it saw.
"""

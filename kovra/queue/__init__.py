"""CARRY: from the accept to the worker, over Redis Streams and Dramatiq.

``keys``      the names of everything kept in Redis
``broker``    a Dramatiq broker with thousands of fair lanes; it knows nothing of moderation
``consumer``  the broker's reading side: listens for a doorbell, fetches, hands out, finishes
``state``     what a process knows of one queue, longer than a consumer lives
``doorbells`` where there may be work
``intake``    sorts what was fetched: good entries are taken, the others are dead letters
``entry``     one entry of a lane
``acks``      says that entries are done, many at a time
``middleware``  what Dramatiq's worker must heed: begin nothing that another may have by now
``scripts``   the broker's Lua
``client``, ``lines``  connections to Redis
``outbox``    puts a sealed request on its guild's lane
``relay``     refills the lanes with what Redis lost
``scheduler`` asks for the end of punishments when their time has come
``capture``   has cases made of what was done in Discord itself
``posting``   sends what waits in the log channels
``actors``    what the worker runs
``desk``      a guild's lane and dead letters, for the people who look after it
``dead``      entries that were refused, failed, or killed their worker too often
``pauses``    keeps the lanes paused that people paused
``gauges``    how full the lanes are
``dead_workers``  hands over what a dead worker held, at once
``janitor``   sweeps up what nobody announced
``locks``     the shield against doing the same twice
"""

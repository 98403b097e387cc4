"""CARRY: from the accept to the worker, over Redis Streams and Dramatiq.

``keys``      the names of everything kept in Redis
``broker``    a Dramatiq broker with thousands of fair lanes; it knows nothing of moderation
``outbox``    puts a sealed request on its guild's lane
``relay``     refills the lanes with what Redis lost
``scheduler`` asks for the end of punishments when their time has come
``capture``   has cases made of what was done in Discord itself
``posting``   sends what waits in the log channels
``actors``    what the worker runs
``dead_workers``  hands over what a dead worker held, at once
``janitor``   sweeps up what nobody announced
``locks``     the shield against doing the same twice
"""

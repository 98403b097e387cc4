"""What several processes share and may lose, in Redis. Every part fails open: without Redis, moderation goes on.

``pacing``  one pace towards Discord for all processes of one bot, its lines, pauses, and the tally of invalid requests
``identifying``  turns to identify at the gateway
"""

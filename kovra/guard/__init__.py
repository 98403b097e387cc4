"""DO: what happens to a request when its turn comes. Pure: no Flask, Redis, SQL or Pycord.

``execute``  the story of one action, from the lane entry to the last message
``case_acts``  what is done to a case that exists: comment, amend, void, resend
``claim``    whose turn it is: claims, fenced by an epoch
``notices``  the DM to the target and the post in the log channel; ``notice_texts`` what a DM says, and
             ``notice_tongues`` in which language; ``notice_words`` what became of one, in words
``log_posts``  what waits to be posted, ten cases to a message; ``case_post`` how a case reads, ``log_channels`` where
``heard``    what happens on a server and is no case, and how it reads in the log channel
``deleters`` who deleted what, as far as Discord's audit log proves it
``chunk``    the story of one chunk of a job; ``bulk`` bans many in one call
``perform``  one action, one call to Discord
``restoring``  acts that set a state, and what is kept to restore it; ``held_roles`` and ``held_places`` are its parts
``purge``    many messages, chosen once and deleted in parts
``probe``    what became of a deed whose answer never came
``outcome``  what Discord's answers mean
``case``     the record of what was done
``endings``  when a punishment ends by itself, and what Guard does about it
``health``   the health check of a server: findings, each with its remedy
``native``   what was done in Discord itself, and whose deed it was
``ports``    what this room asks of the world; ``job_ports`` what executing a job asks beside
"""

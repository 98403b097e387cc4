"""ASK: what an action is, who may ask for it, and how it is accepted. Pure: no Flask, Redis, SQL or Pycord.

``request``   the canonical request, its receipt, and the words for actions, sources and states
``capabilities`` what a person may do in a guild, and the Discord permissions that give it
``rights``    who may do what to whom: hierarchy, membership, Guard's own permissions
``budget``    how many actions of a kind one moderator may ask for in a sliding hour
``envelope``  the signed bytes that travel
``already``   what would change nothing
``cancel``    who may take back what still waits
``job``       a mass action: its requests, its order, the chunks they travel in
``submit``    the one way in: every door is given it
``submit_job`` the one way in for mass actions and releases
``submit_many`` the one way in for many single actions at once
``audit``     the entries of the audit log and their keyed chain
``checkpoint`` where tests let a process die
``ports``     what this room asks of the world
"""

"""What ``bench live`` measures: four ways to bring one event to many open streams, and a reader that is cheap itself.

``readers``     one process with one epoll over all streams; each event carries the moment it was due
``ways``        Kovra's web process, a Redis connection per client, nginx with nchan, and bare sends
``per_client``  the usual SSE view: a greenlet and a Redis subscription for each stream
"""

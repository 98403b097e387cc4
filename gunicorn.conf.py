"""How gunicorn serves Kovra's web process: ``gunicorn -c gunicorn.conf.py app:app``.

One gevent worker a process, so that one hub serves all its open streams; run more processes for more cores.
"""

# ruff: noqa: E402 - the patch comes first: what imports ssl, threading or socket before it stays unpatched.
from gevent import monkey

monkey.patch_all()

import os
import signal

import gevent
from gevent.socket import wait_read, wait_write
from psycopg2 import OperationalError, extensions


def _wait_green(connection):
    """Let other greenlets run while PostgreSQL works; without it one slow query stops the whole process."""
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        if state == extensions.POLL_READ:
            wait_read(connection.fileno())
        elif state == extensions.POLL_WRITE:
            wait_write(connection.fileno())
        else:
            raise OperationalError(f"PostgreSQL's connection is in an unknown state: {state}")


extensions.set_wait_callback(_wait_green)

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
worker_class = "gevent"
workers = 1
#: Open streams count; gunicorn's own limit of 1000 would turn the next page away.
worker_connections = 12_000
backlog = 2_048
keepalive = 30

#: Platforms kill 30 s after SIGTERM; streams are closed at once (below), so only requests under way use this.
graceful_timeout = 20
timeout = 60

#: Behind a platform's router every request comes from the router: FORWARDED_ALLOW_IPS="*" says to believe it.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")

#: It would be one path for all gunicorns of a user, and nobody here uses it.
control_socket_disable = True
proc_name = "kovra-web"


def post_worker_init(worker):
    """Close the open streams at SIGTERM; they would hold the stop for the whole ``graceful_timeout``."""
    stop = signal.getsignal(signal.SIGTERM)

    def close_streams_and_stop(number, frame):
        # In a greenlet of its own: a signal handler may run where nothing may wait.
        gevent.spawn(close_all_streams, worker.wsgi)
        stop(number, frame)

    signal.signal(signal.SIGTERM, close_streams_and_stop)
    signal.siginterrupt(signal.SIGTERM, False)


def worker_int(worker):
    """The same at SIGINT and SIGQUIT."""
    close_all_streams(worker.wsgi)


def close_all_streams(app):
    """Ask the dashboard to end its streams; browsers come back to the next process and miss nothing."""
    streams = getattr(app, "extensions", {}).get("kovra_streams")
    if streams is not None:
        streams.close()

"""How gunicorn serves Kovra's web process: ``gunicorn -c gunicorn.conf.py app:app``.

One gevent worker a process, so that one hub serves all its open streams; run more processes for more cores.
"""

# ruff: noqa: E402 - the patch comes first: what imports ssl, threading or socket before it stays unpatched.
from gevent import monkey

monkey.patch_all()

import contextlib
import os
import resource
import time

import gevent
from gevent.selectors import GeventSelector
from gevent.socket import wait_read, wait_write
from gunicorn.workers.ggevent import GeventWorker
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

# Each open stream is an open file, and shells start with a limit of 1024.
_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
_enough = 65_536 if _most == resource.RLIM_INFINITY else min(_most, 65_536)
resource.setrlimit(resource.RLIMIT_NOFILE, (_enough, _most))


class Worker(GeventWorker):
    """A gevent worker that stops when its work is done.

    Gunicorn's own waits ``graceful_timeout`` for streams, which never end, and for connections that a browser or a
    router keeps open without asking anything.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.idle = {}

    def load_wsgi(self):
        """Start what runs beside the pages, and tell the dashboard that this server can let go of a connection."""
        super().load_wsgi()
        extensions = getattr(self.wsgi, "extensions", {})
        if start := extensions.get("kovra_start"):
            start()
        if make := extensions.get("kovra_make_wires"):
            extensions["kovra_wires"] = make(GeventSelector())

    def is_already_handled(self, respiter):
        """A stream that the dashboard goes on writing by itself: this greenlet, its parser and its socket go.

        They would be most of what an open stream costs, and each event would have to wake them.
        """
        if getattr(respiter, "handed_over", False):
            raise StopIteration  # how gunicorn says that a connection is done with
        return super().is_already_handled(respiter)

    @contextlib.contextmanager
    def timeout_ctx(self):
        """Wait for the next request of a connection; gives it up after ``keepalive`` seconds."""
        waiting = gevent.getcurrent()
        with gevent.Timeout(self.cfg.keepalive, False) as patience:
            self.idle[waiting] = patience, time.monotonic()
            try:
                yield
            finally:
                del self.idle[waiting]

    def handle_exit(self, sig, frame):
        """SIGTERM."""
        super().handle_exit(sig, frame)
        # In a greenlet of its own: a signal handler may run where nothing may wait.
        gevent.spawn(self.let_go)

    def let_go(self):
        """End the streams, then each connection on which nothing was asked for a second (it may be on its way)."""
        streams = getattr(self.wsgi, "extensions", {}).get("kovra_streams")
        if streams is not None:
            streams.close()  # browsers come back to the next process, and miss nothing
        while True:
            gevent.sleep(0.25)  # between two rounds; the worker ends this with itself
            for waiting, (patience, since) in list(self.idle.items()):
                if time.monotonic() - since > 1:
                    gevent.get_hub().loop.run_callback(waiting.throw, patience)


def post_worker_init(worker):
    """Say that this process serves; others may answer on the same port."""
    print("kovra: web ready", flush=True)


bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
worker_class = Worker
workers = 1
#: Loaded before anything listens: a connection that nobody answers for seconds is worse than none, because browsers and
#: routers wait for it instead of going to the next process. A worker that died is also replaced at once.
preload_app = True
#: Open streams count; gunicorn's own limit of 1000 would turn the next page away.
worker_connections = 12_000
backlog = 2_048
#: Longer than a router keeps its connections to us, or it would now and then use one that we just closed.
keepalive = 75
#: The longest first line of a request: an act on 500 ticked cases names each of them.
limit_request_line = 8_190

#: Platforms kill 30 s after SIGTERM; only requests under way use this.
graceful_timeout = 20
timeout = 60

#: Behind a platform's router every request comes from the router: FORWARDED_ALLOW_IPS="*" says to believe it.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")

#: It would be one path for all gunicorns of a user, and nobody here uses it.
control_socket_disable = True
proc_name = "kovra-web"

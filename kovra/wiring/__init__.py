"""Builds every process from plain constructor arguments. The only room that knows all the others.

    common        what several processes are built with: the lanes, the checkpoints, the pace, the metrics
    submitting    the one way in, for a process that signs with a key of its own
    worker        Guard's hands: consumers, relay, janitor, scheduler, the proof that the process lives
    bot           the gateway, and the door ``/mod``
    web           the dashboard

Each ``build_…`` opens what its process needs and returns it whole; nothing is opened by importing this room.
Libraries that only one kind of process may load (Flask, Pycord) are imported by the builder that needs them.
"""

from kovra.wiring.bot import CaseBook, build_bot
from kovra.wiring.common import build_broker
from kovra.wiring.submitting import build_reverse, build_submit, build_submit_job, build_submit_many
from kovra.wiring.web import build_web
from kovra.wiring.worker import WorkerProcess, build_worker

__all__ = [
    "CaseBook",
    "WorkerProcess",
    "build_bot",
    "build_broker",
    "build_reverse",
    "build_submit",
    "build_submit_job",
    "build_submit_many",
    "build_web",
    "build_worker",
]

"""The loop that forgets what is kept only for a time."""

from __future__ import annotations

import threading

import pytest

from kovra.errors import Unavailable
from kovra.store.retention import Retention


class Log:
    """What fails as often as told, and then asks the loop to stop."""

    def __init__(self, stop, failures=0):
        self.stop, self.failures, self.looks = stop, failures, 0

    def prune_everywhere(self):
        self.looks += 1
        if self.looks <= self.failures:
            raise Unavailable("away")
        self.stop.set()
        return 3

    forget_everywhere = open_dms_everywhere = give_up_files_everywhere = prune_everywhere


@pytest.mark.parametrize("failures", [0, 2])
def test_it_looks_at_once_and_outlives_an_absent_database(failures):
    stop = threading.Event()
    log, evidence, forgetting = Log(stop, failures), Log(stop), Log(stop)

    Retention(events=log, evidence=evidence, forgetting=forgetting, every_s=0.001).run(stop)

    assert (log.looks, evidence.looks, forgetting.looks) == (failures + 1, 1, 3)

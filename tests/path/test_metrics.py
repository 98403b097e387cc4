"""The numbers of a running Kovra."""

from prometheus_client import generate_latest

from kovra import readings
from kovra.metrics import Metrics
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.outbox import QUEUE
from kovra.store.database import Database
from kovra.store.operations import Operations


def test_every_metric_of_a_worker_can_be_read_from_real_servers(stack):
    metrics, database = Metrics(), Database(stack.database_url, role="kovra_worker")
    with connect(stack.redis_url) as client:
        metrics.watch("the lanes", readings.of_queue(LanesBroker(client), QUEUE))
        metrics.watch("the requests", readings.of_requests(Operations(database)))

        told = generate_latest(metrics.registry).decode()

    database.dispose()
    assert 'kovra_queue_depth{queue="guard"}' in told
    assert 'kovra_request_oldest_seconds{state="accepted"}' in told
    assert 'kovra_requests_lately{outcome="unconfirmed"}' in told
    assert "kovra_readings_failed_total{" not in told

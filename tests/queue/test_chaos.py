"""Any order of events, drawn by seed: what was taken in and not destroyed is run, and nothing is left behind."""

import random

import pytest

from kovra.queue.janitor import Janitor


class Chaos:
    """Workers that come and go, senders, vandals; and the account of what must have been run."""

    def __init__(self, desk, seed):
        self.desk, self.dice = desk, random.Random(seed)
        self.sender = desk.broker(bulk_share=1.0)
        self.workers, self.sent, self.ended, self.destroyed, self.running = [], {}, set(), set(), {}
        self.hire()

    def hire(self):
        self.workers.append(self.desk.consumer(self.desk.broker(bulk_share=1.0), prefetch=4))

    def pick(self):
        worker = self.dice.choice(self.workers)
        return worker, worker.broker.holdings.all()

    def send(self):
        for _ in range(self.dice.randrange(1, 6)):
            name = f"m{len(self.sent)}"
            options = {"lane": str(self.dice.randrange(4) << 22), "lock": name, "priority": self.dice.randrange(2)}
            if self.dice.random() < 0.6:
                options["order_key"] = f"k{self.dice.randrange(3)}"
            self.sent[name] = self.desk.message(name, message_id=name, **options)
            assert self.sender.offer(self.sent[name]) == "enqueued"

    def fetch(self):
        worker, _ = self.pick()
        if (entry := next(worker)) is not None:
            self.begin(entry)

    def begin(self, entry):
        key = (entry.lane, entry.order_key)
        rival, runs = self.running.get(key, (entry, False))
        # An entry that a vandal deleted while it ran has lost its order key; nobody can know that it still runs.
        if entry.order_key and runs and rival.ref != entry.ref and rival.lock not in self.destroyed:
            raise AssertionError(f"{entry.ref} runs beside {rival.ref} of the same order key")
        self.running[key] = (entry, True)

    def end(self):
        worker, held = self.pick()
        started = [entry for entry in held if entry not in worker.state.cache]
        if started:
            entry = self.dice.choice(started)
            self.running[entry.lane, entry.order_key] = (entry, False)
            (worker.nack if self.dice.random() < 0.1 else worker.ack)(entry)
            self.ended.add(entry.args[0])

    def crash(self):
        worker, held = self.pick()
        self.workers.remove(worker)
        for entry in held:
            self.running[entry.lane, entry.order_key] = (entry, False)
        name = worker.broker.consumer_name
        for prefix in worker.prefixes:  # as after the heartbeat time-out
            self.desk.client.zadd(prefix + "hb", {name: 1}, xx=True)
            if self.desk.client.get(prefix + "solo") == name.encode():
                self.desk.client.delete(prefix + "solo")
        self.hire()

    def leave(self):
        worker, held = self.pick()
        started = [entry for entry in held if entry not in worker.state.cache]
        for entry in started:
            self.running[entry.lane, entry.order_key] = (entry, False)
            worker.ack(entry)
            self.ended.add(entry.args[0])
        worker.close()
        self.workers.remove(worker)
        self.hire()

    def forge(self):
        lane, priority = str(self.dice.randrange(4) << 22), self.dice.randrange(2)
        self.desk.client.xadd(self.desk.stream(self.sender, lane, priority), {"any": "thing"})

    def delete_one(self):
        lane, priority = str(self.dice.randrange(4) << 22), self.dice.randrange(2)
        stream = self.desk.stream(self.sender, lane, priority)
        if entries := self.desk.client.xrange(stream):
            entry, fields = self.dice.choice(entries)
            self.desk.client.xdel(stream, entry)
            self.destroyed.add(fields.get(b"k", b"").decode())

    def lose_index(self):
        lane = str(self.dice.randrange(4) << 22)
        prefix, kind = self.desk.prefix(self.sender, lane), self.dice.choice(["ready:0", "ready:1", "wake:0", "parts"])
        self.desk.client.delete(prefix + kind)

    def sweep(self):
        Janitor(self.sender).sweep()

    def drain(self):
        for _ in range(2000):
            self.sweep()
            for worker in self.workers:
                worker.state.looked_at = float("-inf")
                if (entry := next(worker)) is not None:
                    self.begin(entry)
                for held in worker.broker.holdings.all():
                    if held not in worker.state.cache:
                        self.running[held.lane, held.order_key] = (held, False)
                        worker.ack(held)
                        self.ended.add(held.args[0])
            if self.sender.qsize("work") == 0:
                return
        raise AssertionError(f"something is stuck: {self.sender.lanes('work')}")


CALM = ["send"] * 3 + ["fetch"] * 8 + ["end"] * 6 + ["crash", "leave", "sweep", "forge"]
WILD = [*CALM, "delete_one", "lose_index"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("events", [CALM, WILD], ids=["calm", "wild"])
def test_whatever_happens_everything_is_run_and_nothing_is_left(real_desk, seed, events):
    chaos = Chaos(real_desk, seed)

    for _ in range(400):
        getattr(chaos, chaos.dice.choice(events))()
    chaos.drain()

    poisoned = {letter.message.args[0] for letter in chaos.sender.dead_letters("work", count=10_000) if letter.message}
    assert chaos.sent.keys() - chaos.ended - chaos.destroyed - poisoned == set()
    kinds = {key.decode().split(":work:", 1)[1].split(":")[0] for key in real_desk.client.scan_iter("kovra:*")}
    assert kinds <= {"clock", "lock", "wake", "bell", "dead"}

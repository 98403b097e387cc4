"""What every peer's task does: write when its message was sent and that it runs."""

import os
import time

URL = os.environ["BENCH_URL"]
_file = os.open(os.environ["BENCH_FILE"], os.O_WRONLY | os.O_APPEND) if os.environ["BENCH_FILE"] else -1


def run(sent_at: float) -> None:
    os.write(_file, f"{sent_at} {time.monotonic()}\n".encode())

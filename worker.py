"""An RQ worker under the relay's wiring: `python worker.py`, and `python worker.py clock`. Any number may run."""

import os
import signal
import sys
import threading
from types import FrameType

import redis
import structlog
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from relay import clock, jobs
from relay.campaign_monitor.session import abort
from relay.errors import RelayError
from relay.queue import Ring
from relay.store.leases import HELD
from relay.sync.parts import Parts
from relay.wiring import wire

GRACE_S = 20.0
"""Heroku kills 30 s after SIGTERM: what takes longer than this is given up. Repeating it is safe."""
LET_GO_S = 3.0
log = structlog.get_logger()


class Worker(SimpleWorker):
    """Without fork: a connection to Campaign Monitor that stays open is worth more than isolation."""

    job_class = Ring
    parts: Parts

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Between jobs: at once. In a job: when it is done, or after the grace given up."""
        if not self.parts.stopping.is_set():
            self.parts.stopping.set()
            give_up = threading.Timer(GRACE_S, give_calls_up, [self.parts])
            give_up.daemon = True
            give_up.start()
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    request_force_stop = request_stop


def give_calls_up(parts: Parts) -> None:
    """Ends the calls under way, which then leave their claims by themselves; and if they do not, without them."""
    log.warning("calls given up", remedy="Nothing is lost: they are made again.")
    abort(parts.session)
    threading.Event().wait(LET_GO_S)
    for lease in list(HELD):
        lease.release()
    os._exit(0)


def work(parts: Parts) -> None:
    """Works off rings until told to stop. RQ's worker ends when Redis is away for long; this one begins again."""
    jobs.use(parts)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: parts.stopping.set())
    away = False
    while not parts.stopping.is_set():
        try:
            parts.queue.redis.ping()
            if away:
                log.info("queue back")
            away = False
            worker = Worker(
                list(parts.queue.queues.values()),
                connection=parts.queue.redis,
                job_class=Ring,
                serializer=JSONSerializer,
                worker_ttl=90,
                maintenance_interval=60,
            )
            worker.parts = parts
            worker.work(logging_level="WARNING")
        except (redis.RedisError, OSError) as error:
            if not away:
                log.error("queue away", reason=type(error).__name__, remedy="Is REDIS_URL right, and the server up?")
            away = True
            parts.stopping.wait(1.0)


def main(arguments: list[str]) -> int:
    try:
        parts = wire()
    except RelayError as error:
        print(error, file=sys.stderr)  # noqa: T201  (the log is not set up yet)
        return 2
    if arguments == ["clock"]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: parts.stopping.set())
        clock.run(parts)
    else:
        work(parts)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

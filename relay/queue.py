"""Rings: RQ jobs that say where to look, never what happened. Everything in Redis may be lost at any moment."""

import time
from typing import Any

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue as RqQueue
from rq import Worker
from rq.job import Job
from rq.serializers import JSONSerializer

LIVE, BULK = "live", "bulk"
ALLOWED = {"relay.jobs.live", "relay.jobs.step", "relay.jobs.group"}
RING_S, QUIET_S, LOOKED_AT = 5, 2.0, 20
log = structlog.get_logger()


class Ring(Job):
    """A job that names one of our functions: whoever can write to Redis must not be able to run anything else."""

    @property
    def func(self) -> Any:
        if self.func_name not in ALLOWED:
            raise ValueError(f"{self.func_name!r} is not a job of the relay")
        return super().func


class Queue:
    """One connection to Redis a process. When Redis is away, rings are dropped and the clock rings later."""

    def __init__(self, url: str) -> None:
        # Managed stores (Heroku's) show certificates of their own making. Rings hold nothing worth reading, and only
        # our own functions can be run; whoever wants the certificate checked adds ?ssl_cert_reqs=required.
        unchecked = {"ssl_cert_reqs": "none"} if url.startswith("rediss") and "ssl_cert_reqs" not in url else {}
        self.redis = redis.Redis.from_url(
            url,
            socket_connect_timeout=1.0,
            socket_timeout=5.0,
            retry=Retry(NoBackoff(), 1),
            health_check_interval=30,
            **unchecked,
        )
        self.queues = {
            name: RqQueue(name, connection=self.redis, job_class=Ring, serializer=JSONSerializer)
            for name in (LIVE, BULK)
        }
        self._quiet_until = 0.0

    def ring(self, connection_id: str, *, always: bool = False) -> bool:
        """Somebody should look at this connection. At most one ring a visit, unless `always` (the clock knows)."""
        return self._try(lambda: self._ring(connection_id, always))

    def _ring(self, connection_id: str, always: bool) -> None:
        if self.redis.set(_key(connection_id), "1", nx=True, ex=RING_S) or always:
            self._enqueue(LIVE, "relay.jobs.live", connection_id)

    def looking(self, connection_id: str) -> None:
        """A worker is about to look: whoever rings from now on must be heard."""
        self._try(lambda: self.redis.delete(_key(connection_id)))

    def step(self, run_id: int) -> bool:
        return self._try(lambda: self._enqueue(BULK, "relay.jobs.step", run_id))

    def group(self, connection_id: str) -> bool:
        """Who is in some group of this connection is to be read."""
        return self._try(lambda: self._enqueue(BULK, "relay.jobs.group", connection_id))

    def _enqueue(self, name: str, function: str, argument: Any) -> None:
        # A failed or finished ring is of no interest to anybody: what it was about is in the database.
        self.queues[name].enqueue_call(function, args=(argument,), timeout=600, result_ttl=60, failure_ttl=60, ttl=600)

    def once(self, name: str, seconds: int) -> bool:
        """Whether nobody else did this in the last `seconds`; False also when Redis is away."""
        return self._try(lambda: bool(self.redis.set(f"relay:once:{name}", "1", nx=True, ex=seconds)))

    def lengths(self) -> dict[str, int] | None:
        """Jobs waiting by queue; None when Redis is away."""
        try:
            return {name: queue.count for name, queue in self.queues.items()}
        except redis.RedisError:
            return None

    def others_wait(self, connection_id: str) -> bool:
        """Whether anything waits but rings for this connection; True also when Redis is away."""
        try:
            if self.queues[BULK].count:
                return True
            return any([*job.args] != [connection_id] for job in self.queues[LIVE].get_jobs(0, LOOKED_AT))
        except redis.RedisError:
            return True

    def workers(self) -> int | None:
        """How many have shown themselves lately; None when Redis is away."""
        try:
            return len(Worker.all(connection=self.redis, serializer=JSONSerializer))
        except redis.RedisError:
            return None

    def _try(self, do: Any) -> bool:
        """Whether it worked. After a failure Redis is left alone for a moment, so that webhooks are not slowed."""
        if time.monotonic() < self._quiet_until:
            return False
        try:
            return do() is not False
        except redis.RedisError as error:
            self._quiet_until = time.monotonic() + QUIET_S
            log.warning("queue away", reason=type(error).__name__, remedy="The clock rings again when it is back.")
            return False


def _key(connection_id: str) -> str:
    return f"relay:rung:{connection_id}"

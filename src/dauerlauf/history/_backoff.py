"""Die Pausen zwischen den Versuchen einer Activity, wie ihre Retry Policy sie festlegt."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import RetryPolicy

_FOREVER = 10**18


def backoffs(policy: RetryPolicy, attempts: int) -> Iterator[int]:
    """Wann ein Versuch frühestens beginnt, in Nanosekunden ab dem Auftrag: 0, erste Pause, erste und zweite Pause, …

    So rechnet der Server: https://docs.temporal.io/encyclopedia/retry-policies#properties

    Args:
        policy: Die Retry Policy aus dem Event ActivityTaskScheduled.
        attempts: So viele Anfänge werden geliefert, einer je Versuch.
    """
    delay, total = nanoseconds(policy.initial_interval), 0
    ceiling = nanoseconds(policy.maximum_interval) or _FOREVER
    for _ in range(attempts):
        yield total
        total += min(delay, ceiling)
        delay = min(int(delay * (policy.backoff_coefficient or 1)), _FOREVER)


def nanoseconds(duration: Duration) -> int:
    return duration.seconds * 1_000_000_000 + duration.nanos

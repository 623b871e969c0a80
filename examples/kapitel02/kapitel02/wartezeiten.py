"""Die Pausen einer Retry-Policy, ausgerechnet."""

from datetime import timedelta

from temporalio.common import RetryPolicy


# --8<-- [start:waits]
def waits(policy: RetryPolicy, attempts: int) -> list[timedelta]:
    """Die Pausen zwischen `attempts` Versuchen nach `policy`.

    Eine Pause dauert `initial_interval`, die nächste das `backoff_coefficient`-Fache
    der vorigen, keine länger als `maximum_interval` (ohne Angabe das Hundertfache der
    ersten). `maximum_attempts` begrenzt die Versuche, 0 heißt: ohne Grenze.
    """
    longest = policy.maximum_interval or policy.initial_interval * 100
    if policy.maximum_attempts:
        attempts = min(attempts, policy.maximum_attempts)
    return [
        min(policy.initial_interval * policy.backoff_coefficient**retry, longest)
        for retry in range(attempts - 1)
    ]


# --8<-- [end:waits]

"""Fünf Anmeldungen beim Zoll, jede mit anderen Timeouts. Diese Datei ist vorgegeben."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

SHORT = timedelta(seconds=0.2)
LONG = timedelta(hours=2)
EVERY_10_MINUTES = RetryPolicy(
    initial_interval=timedelta(minutes=10), backoff_coefficient=1.0
)
THREE_TIMES = RetryPolicy(
    initial_interval=timedelta(minutes=10), backoff_coefficient=1.0, maximum_attempts=3
)

CASES: dict[str, dict[str, Any]] = {
    "haengt": {
        "start_to_close_timeout": SHORT,
        "retry_policy": THREE_TIMES,
    },
    "verstummt": {
        "start_to_close_timeout": LONG,
        "heartbeat_timeout": SHORT,
        "retry_policy": THREE_TIMES,
    },
    "niemand": {
        "task_queue": "zoll-rechner-im-lager",
        "schedule_to_start_timeout": SHORT,
        "start_to_close_timeout": LONG,
        "retry_policy": THREE_TIMES,
    },
    "frist": {
        "start_to_close_timeout": SHORT,
        "schedule_to_close_timeout": timedelta(minutes=25),
        "retry_policy": EVERY_10_MINUTES,
    },
    "lehnt_ab": {
        "start_to_close_timeout": LONG,
        "schedule_to_close_timeout": timedelta(minutes=25),
        "retry_policy": EVERY_10_MINUTES,
    },
}


@workflow.defn
class DeclareCustoms:
    """Meldet ein Paket beim Zoll an; der Name der Activity ist der des Falls."""

    @workflow.run
    async def run(self, case: str) -> None:
        await workflow.execute_activity(case, **CASES[case])

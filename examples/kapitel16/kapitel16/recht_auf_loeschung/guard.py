"""Keine Wirkung mit gelöschten Daten: Der Worker weist solche Aufrufe ab."""

from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from kapitel16.recht_auf_loeschung.codec import ERASED, Erasable

INPUT_ERASED = "EingabeGeloescht"


def is_erased(value: Any) -> bool:
    """Ob dieser Wert der Platzhalter seines Typs ist."""
    if isinstance(value, Erasable):
        return bool(value == type(value).erased())
    return bool(value == ERASED)


# --8<-- [start:guard]
class ErasedGuard(Interceptor):
    """Stellt sich vor jede Activity des Workers."""

    def intercept_activity(
        self, next: ActivityInboundInterceptor
    ) -> ActivityInboundInterceptor:
        """Wie die Basisklasse."""
        return _GuardedActivity(next)


class _GuardedActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if any(is_erased(value) for value in input.args):
            raise ApplicationError(
                "Die Eingabe ist gelöscht.", type=INPUT_ERASED, non_retryable=True
            )
        return await super().execute_activity(input)


# --8<-- [end:guard]

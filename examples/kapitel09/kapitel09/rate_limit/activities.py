"""Die Activities: ein Etikett drucken, um Erlaubnis fragen."""

import asyncio
import math
import os
import random
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx
from temporalio import activity
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from kapitel09.rate_limit.models import LabelCall, PermitRequest
from kapitel09.rate_limit.quota import Permit, PermitBook

TOO_MANY = "ZuVieleAnfragen"
OUT_OF_ORDER = "DienstGestoert"
EXPIRED = "ErlaubnisAbgelaufen"
BOOKED_OUT = "Ausgebucht"

# Beim Namen genannt, denn workflow.py importiert diese Datei.
QUOTA_WORKFLOW = "QuotaWorkflow"
GRANT = "grant"
ASKS_AT_ONCE = 3
"""Ein Workflow nimmt höchstens zehn Updates zugleich an, von allen Workern zusammen."""


@cache
def _tls() -> ssl.SSLContext:
    """Lädt die Zertifikate einmal je Prozess statt einmal je Worker."""
    return httpx.create_ssl_context()


def service_url() -> str:
    """Die Adresse des Etikettendienstes aus `NORDLICHT_ETIKETTEN`."""
    return os.environ["NORDLICHT_ETIKETTEN"]


# --8<-- [start:retry-after]
def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Liest `Retry-After`: ganze Sekunden oder ein Datum (RFC 9110, 10.2.3).

    `None` heißt: fehlt oder ist unlesbar; dann gilt die Pause der Retry-Policy.
    """
    if not value:
        return None
    try:
        if value.isdigit():
            return timedelta(seconds=int(value))
        return max(parsedate_to_datetime(value) - now, timedelta())
    except (ValueError, TypeError, OverflowError):
        return None


# --8<-- [end:retry-after]


class LabelActivities:
    """Druckt Etiketten beim Etikettendienst."""

    def __init__(self, url: str, spread: float = 1.0) -> None:
        """`spread`: Um bis zu so viele Sekunden streut eine Wartezeit nach oben."""
        self._url = url
        self._spread = spread
        self._http = httpx.Client(timeout=5.0, verify=_tls())

    # --8<-- [start:label]
    @activity.defn
    def print_label(self, call: LabelCall) -> str:
        """Druckt ein Etikett. Idempotent über `order.number`."""
        if call.permit and activity.info().started_time > call.permit.not_after:
            # Zu spät: Diese Anfrage zählte beim Anbieter in einem anderen Fenster.
            raise ApplicationError("Die Erlaubnis ist abgelaufen.", type=EXPIRED)
        order = call.order
        answer = self._http.post(
            f"{self._url}/etiketten",
            json={"number": order.number, "customer": order.customer},
            headers={"Idempotency-Key": order.number},
        )
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise self._later(answer)
        if answer.is_error:
            raise ApplicationError(f"Antwort {answer.status_code}", type=OUT_OF_ORDER)
        return str(answer.json()["label"])

    # --8<-- [end:label]

    # --8<-- [start:later]
    def _later(self, answer: httpx.Response) -> ApplicationError:
        """Kein Fehler des Auftrags: Der Anbieter sagt, wann er wieder mag."""
        pause = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        if pause is not None:
            pause += timedelta(seconds=random.uniform(0, self._spread))
        return ApplicationError(
            "Der Anbieter bittet um eine Pause.",
            type=TOO_MANY,
            next_retry_delay=pause,  # (!)
            category=ApplicationErrorCategory.BENIGN,  # (!)
        )

    # --8<-- [end:later]


class PermitActivities:
    """Fragt das Kontingent um Erlaubnis."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(ASKS_AT_ONCE)

    # --8<-- [start:ask]
    @activity.defn
    async def request_permit(self, request: PermitRequest) -> Permit:
        """Fragt um Erlaubnis. Idempotent über `request_id`."""
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            QUOTA_WORKFLOW,
            PermitBook(request.quota),
            id=request.quota_id,
            task_queue=activity.info().task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        try:
            async with self._slots:
                permit: Permit = await self._client.execute_update_with_start_workflow(
                    GRANT,
                    request.request_id,
                    id=request.request_id,
                    start_workflow_operation=start,
                    result_type=Permit,
                )
            return permit
        # --8<-- [end:ask]
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError) and cause.type == BOOKED_OUT:
                pause = timedelta(seconds=math.ceil(cause.details[0]))
                raise ApplicationError(
                    cause.message,
                    type=BOOKED_OUT,
                    next_retry_delay=pause,
                    category=ApplicationErrorCategory.BENIGN,
                ) from None
            raise

"""Queries mitschreiben, die ein Szenario stellt."""

from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import QueryResultType
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult
from temporalio.client import (
    CancelWorkflowInput,
    Client,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartWorkflowUpdateInput,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)

from dauerlauf.history import Query


class QueryLog(Interceptor):
    """Schreibt die Queries eines Clients mit.

    Fragt ein Szenario in einer Schleife, bis eine Antwort passt, zählt nur die letzte Antwort: Wie oft es vorher fragt,
    hängt von der Maschine ab. Eine Nachricht an den Workflow dazwischen trennt zwei gleiche Queries. Die eingebauten
    Queries des SDK (`__stack_trace`) zählen nicht.
    """

    def __init__(self, client: Client) -> None:
        """`client` fragt den Server, wie weit die History bei der Antwort war; er selbst wird nicht belauscht."""
        self._client = client
        self._found: list[tuple[tuple[str, str], Query]] = []
        self._asked: object = None

    def of(self, workflow_id: str, run_id: str) -> list[Query]:
        """Die Queries an diesen Lauf in ihrer Reihenfolge."""
        return [query for run, query in self._found if run == (workflow_id, run_id)]

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Hängt sich vor die Aufrufe des Clients."""
        return _Outbound(next, self)

    def message_sent(self) -> None:
        """Eine Nachricht, die den Workflow ändern kann: Die nächste Query steht für sich."""
        self._asked = None

    async def encode(self, *values: Any) -> Payloads:
        """Werte, wie sie der Client und der Workflow verschicken."""
        return Payloads(payloads=await self._client.data_converter.encode(values))

    async def answered(self, asked: QueryWorkflowInput, result: WorkflowQueryResult) -> None:
        """Merkt sich eine beantwortete Query."""
        if asked.query.startswith("__"):
            return
        handle = self._client.get_workflow_handle(asked.id, run_id=asked.run_id)
        info = (await handle.describe()).raw_description.workflow_execution_info
        arguments = await self.encode(*asked.args) if asked.args else None
        request = WorkflowQuery(query_type=asked.query, query_args=arguments)
        key = (asked.id, asked.query, request.SerializeToString(deterministic=True))
        if key == self._asked:
            self._found.pop()
        self._asked = key
        self._found.append(((asked.id, info.execution.run_id), Query(info.history_length, request, result)))


class _Outbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, log: QueryLog) -> None:
        super().__init__(next)
        self._log = log

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        try:
            value = await super().query_workflow(input)
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            failed = WorkflowQueryResult(result_type=QueryResultType.QUERY_RESULT_TYPE_FAILED, error_message=str(error))
            await self._log.answered(input, failed)
            raise
        answer = WorkflowQueryResult(
            result_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED, answer=await self._log.encode(value)
        )
        await self._log.answered(input, answer)
        return value

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        self._log.message_sent()
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> Any:
        self._log.message_sent()
        return await super().start_workflow_update(input)

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        self._log.message_sent()
        await super().cancel_workflow(input)

"""Was die Fixtures von `dauerlauf.pytest_plugin` tun; erst geladen, wenn ein Test eine davon verlangt."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError
from temporalio.worker import Replayer, Worker

from dauerlauf import history, timelapse
from dauerlauf.errors import DauerlaufError
from dauerlauf.faults import FaultInjector, FaultPlan, Plans
from dauerlauf.server import EmbeddedServer
from dauerlauf.timelapse import Timelapse, WorkflowStuckError

THREADS = 20


class WorkerLoops(SimplePlugin):
    """Merkt sich, in welcher Event-Loop der Worker einer Task Queue läuft."""

    def __init__(self) -> None:
        super().__init__("dauerlauf.WorkerLoops")
        self.loops: dict[str, asyncio.AbstractEventLoop] = {}

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Trägt die Loop ein, solange der Worker läuft."""
        self.loops[worker.task_queue] = asyncio.get_running_loop()
        try:
            await next(worker)
        finally:
            # Mehrere Worker können sich eine Task Queue teilen; der erste räumt auf.
            self.loops.pop(worker.task_queue, None)

    def require_running(self, task_queue: str) -> None:
        """Wirft `WorkflowStuckError`, wenn der Worker in einer Loop liegt, die gerade stillsteht."""
        loop = self.loops.get(task_queue)
        if loop is not None and not loop.is_running():
            raise WorkflowStuckError(
                f"Der Worker der Task Queue „{task_queue}“ läuft in einer anderen Event-Loop als der Test; sie steht "
                "still, solange der Test wartet. Öffnen Sie den Worker im Test (`async with worker(...)`) oder setzen "
                'Sie asyncio_default_test_loop_scope = "session".'
            )


class ServerThread:
    """Der Server eines Testprozesses, in einem eigenen Thread mit eigener Event-Loop.

    So hängt er von keiner Einstellung eines Async-Plugins ab. Der Thread lebt bis `stop`, denn auf Linux endet der
    Server mit dem Thread, der ihn gestartet hat.
    """

    def __init__(self, search_attributes: Mapping[str, str]) -> None:
        self._search_attributes = search_attributes
        self._ready: Future[Timelapse] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="dauerlauf-server", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    def start(self) -> Timelapse:
        """Startet den Server; wirft `DauerlaufError`, wenn das nicht gelingt."""
        self._thread.start()
        return self._ready.result()

    def stop(self) -> None:
        """Beendet den Server und wartet darauf."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            async with await EmbeddedServer.start(search_attributes=self._search_attributes) as server:
                client = await server.connect(plugins=[WorkerLoops()])
                await timelapse.require_timelapse(client)
                self._ready.set_result(Timelapse(client, server))
                await self._end.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)


class RunningWorker:
    """Ein laufender Worker auf eigener Task Queue; so bekommt ihn ein Test von der Fixture `worker`."""

    def __init__(self, client: Client, task_queue: str, injector: FaultInjector) -> None:
        """Nicht direkt verwenden; siehe die Fixture `worker`."""
        self.client = client
        self.task_queue = task_queue
        self._injector = injector
        self._started: list[WorkflowHandle[Any, Any]] = []

    async def start(self, workflow: Any, *args: Any, id: str | None = None, **options: Any) -> WorkflowHandle[Any, Any]:
        """Startet einen Workflow auf dieser Task Queue, ohne `id` unter einer zufälligen ID.

        `options` gehen an `Client.start_workflow`. Verlangt der Störplan des Workflows mehrere Starts, geschehen sie
        gleichzeitig unter derselben ID.
        """
        workflow_id = id or f"test-{uuid.uuid4()}"
        options.setdefault("task_queue", self.task_queue)
        plan = self._injector.plan_for(workflow_id)
        handle = await plan.start(self.client, workflow, *args, id=workflow_id, **options)
        self._started.append(handle)
        return handle

    async def result(self, handle: WorkflowHandle[Any, Any], timeout: float = 10.0) -> Any:
        """Das Ergebnis eines Workflows; siehe die Fixture `result`."""
        return await result(handle, timeout)

    async def execute(self, workflow: Any, *args: Any, timeout: float = 10.0, **options: Any) -> Any:
        """Startet einen Workflow und gibt sein Ergebnis zurück; siehe `start` und die Fixture `result`."""
        return await result(await self.start(workflow, *args, **options), timeout)

    @property
    def fired(self) -> Sequence[str]:
        """Die Störungen, die eingetreten sind, im Wortlaut."""
        return self._injector.journal.texts()

    async def terminate_leftovers(self) -> None:
        """Beendet alles, was auf der Task Queue noch läuft."""
        leftovers = [execution.id async for execution in self.client.list_workflows(_running(self.task_queue))]
        for workflow_id in {*leftovers, *(handle.id for handle in self._started)}:
            # Was schon beendet ist, lässt sich nicht mehr beenden: der Normalfall.
            with suppress(RPCError):
                await self.client.get_workflow_handle(workflow_id).terminate("Test beendet")


def _running(task_queue: str) -> str:
    return f'TaskQueue = "{task_queue}" AND ExecutionStatus = "Running"'


@asynccontextmanager
async def open_worker(
    env: Timelapse,
    *,
    workflows: Sequence[type] = (),
    activities: Sequence[Callable[..., Any]] = (),
    create: Callable[[Client, str], Worker] | None = None,
    plan: Plans | None = None,
    identity: str = "worker-1",
    **options: Any,
) -> AsyncIterator[RunningWorker]:
    """Betreibt einen Worker auf einer neuen Task Queue; siehe die Fixture `worker`."""
    if (create is None) == (not workflows and not activities):
        raise DauerlaufError("`worker` braucht entweder `workflows`/`activities` oder `create`.")
    injector = FaultInjector(plan or FaultPlan())
    client = env.client_for(identity, plugins=[injector])
    task_queue = env.task_queue()
    if create is not None:
        worker = create(client, task_queue)
    else:
        options.setdefault("activity_executor", ThreadPoolExecutor(THREADS))
        options.setdefault("max_concurrent_activities", THREADS)
        worker = Worker(client, task_queue=task_queue, workflows=workflows, activities=activities, **options)
    running = RunningWorker(env.client, task_queue, injector)
    async with worker:
        try:
            yield running
        finally:
            await running.terminate_leftovers()


async def result(handle: WorkflowHandle[Any, Any], timeout: float = 10.0) -> Any:
    """Das Ergebnis des Workflows; siehe die Fixture `result`."""
    client: Client = handle._client
    task_queue = (await handle.describe()).task_queue
    for plugin in client.config()["plugins"]:
        if isinstance(plugin, WorkerLoops) and task_queue:
            plugin.require_running(task_queue)
    return await timelapse.result(handle, timeout)


async def replay(source: str | Path, *, workflows: Sequence[type], **options: Any) -> int:
    """Spielt eine aufgezeichnete History oder alle eines Ordners ab; siehe die Fixture `replay`."""
    place = Path(source)
    found = place.glob("*.json") if place.is_dir() else [place]
    files = sorted(file for file in found if not history.is_queries_file(file))
    if not files or not files[0].is_file():
        raise DauerlaufError(f"In „{place}“ liegt keine History (*.json); zeichnen Sie zuerst eine auf.")
    # Ohne eigene Angabe bildet der Replayer je History eine Prüfsumme über alle geladenen Module.
    options.setdefault("build_id", "dauerlauf")
    replayer = Replayer(workflows=workflows, **options)
    failures = []
    for file in files:
        outcome = await replayer.replay_workflow(history.load(file), raise_on_replay_failure=False)
        if outcome.replay_failure is not None:
            failures.append(f"{file}: {outcome.replay_failure}")
    if failures:
        raise AssertionError(
            "Der Workflow-Code passt nicht mehr zu aufgezeichneten Läufen; "
            "laufende Workflows blieben damit stehen.\n" + "\n".join(failures)
        )
    return len(files)


class FaultPlans(Sequence[FaultPlan]):
    """Viele zufällige Störpläne für einen einzigen Test."""

    def __init__(self, plans: Sequence[FaultPlan], rerun: str) -> None:
        """Nicht direkt verwenden; siehe die Fixture `fault_plans`."""
        self._plans = tuple(plans)
        self._rerun = rerun

    def __getitem__(self, index: Any) -> Any:
        """Ein Plan oder ein Ausschnitt."""
        return self._plans[index]

    def __len__(self) -> int:
        """Wie viele Pläne es sind."""
        return len(self._plans)

    async def check(self, run: Callable[[FaultPlan], Awaitable[None]], *, concurrency: int = 20) -> None:
        """Führt `run` für jeden Plan aus, höchstens `concurrency` gleichzeitig.

        Scheitert etwas, nennt der `AssertionError` jeden gescheiterten Plan und den Befehl, der den ersten wiederholt.
        """
        slots = asyncio.Semaphore(concurrency)

        async def one(plan: FaultPlan) -> None:
            async with slots:
                await run(plan)

        outcomes = await asyncio.gather(*map(one, self._plans), return_exceptions=True)
        failed = [(plan, error) for plan, error in zip(self._plans, outcomes, strict=True) if error is not None]
        for _, error in failed:
            if not isinstance(error, Exception):
                raise error
        if failed:
            first, cause = failed[0]
            reports = [f"{plan.describe()}\n  {type(error).__name__}: {error}" for plan, error in failed[:5]]
            more = f"\n… und {len(failed) - 5} weitere" if len(failed) > 5 else ""
            raise AssertionError(
                f"{len(failed)} von {len(self)} Störplänen bestehen nicht.\n"
                + "\n".join(reports)
                + f"{more}\nWiederholen: {self._rerun} --stoerplan {first.seed}"
            ) from cause

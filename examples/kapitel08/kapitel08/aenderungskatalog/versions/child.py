"""Änderungen an Child Workflows und an Signalen nach außen."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.aenderungskatalog.gates import Gates
    from kapitel08.aenderungskatalog.models import Order


@workflow.defn
class Parcel(Gates):
    """Der Child Workflow; er endet mit dem ersten Signal."""

    @workflow.run
    async def run(self, number: str) -> str:
        """Wartet auf den Versand."""
        await self.before()
        return f"P-{number}"


@workflow.defn
class ReturnParcel(Gates):
    """Ein anderer Child Workflow."""

    @workflow.run
    async def run(self, number: str) -> str:
        """Wartet auf die Rücksendung."""
        await self.before()
        return f"R-{number}"


@workflow.defn(name="Ship")
class Ship(Gates):
    """Version 1: ein Child Workflow."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Versendet zwischen den Toren."""
        await self.before()
        parcel = await workflow.execute_child_workflow(
            Parcel.run, order.number, id=f"paket-{order.number}"
        )
        await self.after()
        return parcel


@workflow.defn(name="Ship")
class ChildOptions(Gates):
    """Optionen eines Child Workflows geändert"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Setzt Fristen und lässt das Paket am Ende weiterlaufen."""
        await self.before()
        parcel = await workflow.execute_child_workflow(
            Parcel.run,
            order.number,
            id=f"paket-{order.number}",
            execution_timeout=timedelta(days=30),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        )
        await self.after()
        return parcel


@workflow.defn(name="Ship")
class ChildId(Gates):
    """ID eines Child Workflows geändert"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Nennt das Paket anders."""
        await self.before()
        parcel = await workflow.execute_child_workflow(
            Parcel.run, order.number, id=f"sendung-{order.number}"
        )
        await self.after()
        return parcel


@workflow.defn(name="Ship")
class ChildType(Gates):
    """Typ eines Child Workflows geändert"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Startet einen anderen Workflow."""
        await self.before()
        parcel = await workflow.execute_child_workflow(
            ReturnParcel.run, order.number, id=f"paket-{order.number}"
        )
        await self.after()
        return parcel


@workflow.defn(name="Ship")
class ChildRemoved(Gates):
    """Child Workflow entfernt"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Versendet nichts mehr."""
        await self.before()
        await self.after()
        return "entfällt"


@workflow.defn(name="Ship")
class ChildAdded(Gates):
    """Zweiter Child Workflow dahinter"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Versendet zweimal."""
        await self.before()
        parcel = await workflow.execute_child_workflow(
            Parcel.run, order.number, id=f"paket-{order.number}"
        )
        await workflow.execute_child_workflow(
            Parcel.run, order.number, id=f"zweites-{order.number}"
        )
        await self.after()
        return parcel


@workflow.defn(name="Notify")
class Notify(Gates):
    """Version 1: ein Signal an einen anderen Workflow."""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Meldet den Auftrag dem Lager."""
        await self.before()
        stock = workflow.get_external_workflow_handle_for(Parcel.run, "lager")
        await stock.signal(Gates.go)
        await self.after()


@workflow.defn(name="Notify")
class OtherTarget(Gates):
    """Signal geht an eine andere Workflow-ID"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Meldet den Auftrag einem anderen Lager."""
        await self.before()
        stock = workflow.get_external_workflow_handle_for(Parcel.run, "lager-nord")
        await stock.signal(Gates.go)
        await self.after()


@workflow.defn(name="Notify")
class SignalRemoved(Gates):
    """Signal an einen anderen Workflow entfernt"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Meldet nichts mehr."""
        await self.before()
        await self.after()

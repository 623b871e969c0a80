"""Mutanten des Musters `saga`."""

from mutanten import Mutant, MutantTests, mutant


def _scenarios(*names: str) -> tuple[str, ...]:
    return tuple(f"test_scenario[{name}]" for name in names)


REGISTER = "self._saga.register(step, lambda: self._undo(undo, request))"
BOOK = "references = await self._book()"
EXECUTE = """receipt = await workflow.execute_activity_method(
            action, request, **self._forward(heartbeat)
        )"""

MUTANTS = [
    *(
        mutant(
            f"vormerkung-fehlt-{step}",
            "saga/workflow.py",
            REGISTER,
            f'if step != "{step}":\n            {REGISTER}',
            *_scenarios("rechnung-scheitert"),
        )
        for step in ("lager", "zahlung", "versand", "rechnung")
    ),
    Mutant(
        "vormerkung-nach-dem-schritt",
        "saga/workflow.py",
        ((REGISTER, "pass"), (EXECUTE, f"{EXECUTE}\n        {REGISTER}")),
        _scenarios("antwort-verloren"),
    ),
    mutant(
        "schluessel-aus-der-run-id",
        "saga/workflow.py",
        'f"{workflow.info().workflow_id}/{step}"',
        'f"{workflow.info().run_id}/{step}"',
        "test_second_start_of_a_finished_order_changes_nothing",
    ),
    mutant(
        "idempotenz-fehlt",
        "saga/ledger.py",
        "if state is None:\n                amount",
        "if True:\n                amount",
        *_scenarios("quittung-verloren"),
    ),
    mutant(
        "ruecknahme-wirkt-doppelt",
        "saga/ledger.py",
        "elif state == BOOKED:",
        "else:",
        "test_ledger_takes_each_effect_once_in_any_order",
    ),
    mutant(
        "grabstein-fehlt",
        "saga/ledger.py",
        "self._enter(key, order, 0, CANCELLED)",
        "pass",
        *_scenarios("spaete-buchung"),
    ),
    mutant(
        "grabstein-wird-uebersehen",
        "saga/ledger.py",
        "if state == CANCELLED:",
        "if False:",
        "test_second_start_of_a_rolled_back_order_is_refused_by_the_tombstone",
    ),
    mutant(
        "ware-kommt-nicht-ins-regal",
        "saga/ledger.py",
        "self._move(order.article, order.quantity)",
        "pass",
        *_scenarios("zahlung-scheitert"),
    ),
    mutant(
        "kompensation-ungeschuetzt",
        "saga/workflow.py",
        "await finish_despite_cancel(self._roll_back())",
        "await self._roll_back()",
        *_scenarios("abbruch-beim-zurueckrollen"),
    ),
    mutant(
        "schutz-ohne-warten",
        "saga/compensation.py",
        "    task = asyncio.create_task(work)\n    while not task.done():",
        "    return await asyncio.shield(work)\n    while not task.done():",
        *_scenarios("abbruch-beim-zurueckrollen"),
    ),
    mutant(
        "bestaetigung-ungeschuetzt",
        "saga/workflow.py",
        "await finish_despite_cancel(self._confirm())",
        "await self._confirm()",
        *_scenarios("abbruch-zu-spaet"),
    ),
    Mutant(
        "bestaetigung-vor-dem-punkt-ohne-wiederkehr",
        "saga/workflow.py",
        (
            (BOOK, f"{BOOK}\n            mail = await self._confirm()"),
            ("mail = await finish_despite_cancel(self._confirm())", "pass"),
        ),
        _scenarios("abbruch-zu-spaet"),
    ),
    mutant(
        "bestaetigung-gibt-auf",
        "saga/workflow.py",
        "RetryPolicy(maximum_interval=timedelta(minutes=10))",
        "RetryPolicy(maximum_interval=timedelta(minutes=10), maximum_attempts=5)",
        "test_the_confirmation_is_repeated_without_limit_and_sent_once",
    ),
    mutant(
        "reihenfolge-vorwaerts",
        "saga/compensation.py",
        "list(reversed(self._registered))",
        "list(self._registered)",
        *_scenarios("rechnung-scheitert"),
    ),
    mutant(
        "parallel-wird-ignoriert",
        "saga/compensation.py",
        "if self._parallel:",
        "if False:",
        "test_parallel_compensations_are_scheduled_together",
    ),
    mutant(
        "fehler-verschluckt",
        "saga/workflow.py",
        "raise asyncio.CancelledError from error\n            raise\n",
        'raise asyncio.CancelledError from error\n            return OrderResult("", "", "", "", "", False)\n',
        *_scenarios("zahlung-scheitert"),
    ),
    mutant(
        "abbruch-verschluckt",
        "saga/workflow.py",
        "            if cancelled:\n                raise asyncio.CancelledError from error\n            raise\n",
        '            if cancelled:\n                return OrderResult("", "", "", "", "", False)\n            raise\n',
        *_scenarios("abbruch-im-lager"),
    ),
    mutant(
        "abbruch-endet-als-fehler",
        "saga/workflow.py",
        "            if cancelled:\n",
        "            if False:\n",
        "test_a_failure_of_the_step_that_is_being_cancelled_ends_as_cancelled",
    ),
    mutant(
        "except-exception",
        "saga/workflow.py",
        "except (FailureError, asyncio.CancelledError) as error:",
        "except Exception as error:",
        *_scenarios("abbruch-im-lager"),
    ),
    mutant(
        "programmfehler-rollt-zurueck",
        "saga/workflow.py",
        "except (FailureError, asyncio.CancelledError) as error:",
        "except (Exception, asyncio.CancelledError) as error:",
        "test_a_bug_waits_for_its_fix_instead_of_rolling_back",
    ),
    mutant(
        "abbruch-nach-dem-schritt-uebersehen",
        "saga/workflow.py",
        "        if workflow.cancellation_reason() is not None:\n",
        "        if False:\n",
        *_scenarios("abbruch-in-der-zahlung"),
    ),
    mutant(
        "laufender-schritt-nicht-abgewartet",
        "saga/workflow.py",
        "ActivityCancellationType.WAIT_CANCELLATION_COMPLETED",
        "ActivityCancellationType.TRY_CANCEL",
        *_scenarios("abbruch-in-der-zahlung"),
    ),
    mutant(
        "heartbeat-fehlt",
        "saga/activities.py",
        "activity.heartbeat(receipt.reference)",
        "pass",
        "test_a_running_activity_learns_of_the_cancel_by_heartbeat",
    ),
    mutant(
        "activity-hoert-nicht-auf-den-abbruch",
        "saga/activities.py",
        "if activity.is_cancelled():",
        "if False:",
        "test_a_running_activity_learns_of_the_cancel_by_heartbeat",
    ),
    mutant(
        "fachliches-nein-wird-wiederholt",
        "saga/activities.py",
        "non_retryable=True",
        "non_retryable=False",
        "test_a_no_is_not_repeated",
    ),
    mutant(
        "schritte-ohne-grenze",
        "saga/workflow.py",
        "RetryPolicy(maximum_attempts=options.step_attempts)",
        "RetryPolicy()",
        "test_retries_are_bounded_by_attempts",
    ),
    mutant(
        "kompensation-nur-eine-runde",
        "saga/compensation.py",
        "while not compensation.settled:",
        "if not compensation.settled:",
        *_scenarios("kompensation-erholt-sich"),
    ),
    mutant(
        "kompensation-bleibt-unsichtbar",
        "saga/workflow.py",
        "RetryPolicy(maximum_attempts=self._options.undo_attempts)",
        "RetryPolicy()",
        "test_a_blocked_saga_is_visible",
    ),
    mutant(
        "status-fehlt",
        "saga/compensation.py",
        "workflow.upsert_search_attributes([SAGA_STATUS.value_set(status)])",
        "pass",
        "test_a_blocked_saga_is_visible",
    ),
    mutant(
        "fehler-wird-nicht-gezeigt",
        "saga/compensation.py",
        "str(error.cause or error)",
        '""',
        "test_a_blocked_saga_is_visible",
    ),
    mutant(
        "eingriff-weckt-nicht",
        "saga/compensation.py",
        "lambda: compensation.decision is not None",
        "lambda: False",
        "test_a_retry_reports_that_it_failed_again",
    ),
    mutant(
        "pause-waechst-nicht",
        "saga/compensation.py",
        " * 2 ** (compensation.failed_rounds - 1)",
        "",
        "test_pauses_double_up_to_a_day",
    ),
    mutant(
        "validator-fehlt",
        "saga/workflow.py",
        "def _check_skip(self, decision: Skip) -> None:\n        self._saga.check_decision(decision)",
        "def _check_skip(self, decision: Skip) -> None:\n        pass",
        "test_rejected_decisions_leave_the_history_untouched",
    ),
    mutant(
        "auslassen-ohne-begruendung",
        "saga/compensation.py",
        "if isinstance(decision, Skip) and not decision.reason.strip():",
        "if False:",
        "test_rejected_decisions_leave_the_history_untouched",
    ),
    mutant(
        "klaerfall-fehlt",
        "saga/workflow.py",
        """await workflow.execute_activity_method(
            OrderActivities.open_case, case, **self._unlimited()
        )""",
        "pass",
        *_scenarios("kompensation-ausgelassen"),
    ),
    mutant(
        "handler-nicht-abgewartet",
        "saga/workflow.py",
        "await workflow.wait_condition(workflow.all_handlers_finished)",
        "pass",
        "test_skipping_the_last_compensation_waits_for_the_case",
    ),
    mutant(
        "geaenderter-ablauf",
        "saga/workflow.py",
        BOOK,
        f"await workflow.sleep(1)\n            {BOOK}",
        "test_recorded_history_replays[glatt]",
    ),
]  # fmt: skip


class TestMutants(MutantTests):
    chapter = "kapitel07"
    file = "test_saga.py"
    mutants = MUTANTS

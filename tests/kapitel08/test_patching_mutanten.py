"""Mutanten des Musters `patching`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "ohne-patch",
        "patching/workflow.py",
        "if workflow.patched(FRAUD_CHECK):",
        "if True:",
        "test_recorded_history_replays[stufe-2]",
    ),
    mutant(
        "patch-umbenannt",
        "patching/settings.py",
        '"2026-11-betrugspruefung"',
        '"betrugspruefung"',
        "test_recorded_history_replays[stufe-2]",
    ),
    mutant(
        "alter-lauf-wird-auch-geprueft",
        "patching/workflow.py",
        "if workflow.patched(FRAUD_CHECK):",
        "if workflow.patched(FRAUD_CHECK) or workflow.unsafe.is_replaying():",
        "test_matrix[Stufe 1, hat bezahlt-2]",
    ),
    mutant(
        "verdacht-ohne-folgen",
        "patching/workflow.py",
        'raise ApplicationError("Verdacht auf Betrug", type=SUSPICIOUS)',
        "workflow.logger.warning(SUSPICIOUS)",
        "test_suspicious_order_fails_before_the_payment",
    ),
    mutant(
        "stufe-3-ohne-marke",
        "patching/stages/v3.py",
        "workflow.deprecate_patch(FRAUD_CHECK)",
        "str(FRAUD_CHECK)",
        "test_matrix[Stufe 2-3]",
    ),
    mutant(
        "stufe-3-mit-gewoehnlicher-marke",
        "patching/stages/v3.py",
        "workflow.deprecate_patch(FRAUD_CHECK)",
        "workflow.patched(FRAUD_CHECK)",
        "test_a_run_of_stage_3_outlives_the_patch",
    ),
    mutant(
        "schalter-ohne-wirkung",
        "patching/worker.py",
        "lambda patch: activate",
        "lambda patch: True",
        "test_switched_off_patch_can_be_rolled_back",
    ),
    mutant(
        "stufe-3-zaehlt-beendete-laeufe",
        "patching/rollout.py",
        " AND ExecutionStatus = 'Running'",
        "",
        "test_who_still_needs_the_old_path",
    ),
    mutant(
        "stufe-3-uebersieht-laeufe-mit-anderem-patch",
        "patching/rollout.py",
        "TemporalChangeVersion != '{FRAUD_CHECK}'",
        "TemporalChangeVersion IS NULL",
        "test_who_still_needs_the_old_path",
    ),
    mutant(
        "stufe-4-ohne-zeitpunkt",
        "patching/rollout.py",
        """ AND StartTime < '{since.astimezone(UTC).isoformat()}'\"""",
        """ AND StartTime < '{since.max.isoformat()}Z'\"""",
        "test_who_still_needs_the_old_path",
    ),
    mutant(
        "buchung-ohne-schluessel",
        "patching/books.py",
        ", PRIMARY KEY (service, key)",
        "",
        "test_delivered_twice_booked_once[duplicate_concurrently]",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel08"
    file = "test_patching.py"
    mutants = MUTANTS

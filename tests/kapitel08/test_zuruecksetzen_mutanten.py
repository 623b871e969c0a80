"""Mutanten des Musters `zuruecksetzen`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "schluessel-ist-die-run-id",
        "zuruecksetzen/activities.py",
        '        key = str(activity.info().workflow_id)\n        self._till.note("collect", key)',
        '        key = str(activity.info().workflow_run_id)\n        self._till.note("collect", key)',
        "test_a_bad_release_is_repaired_in_a_batch",
    ),
    mutant(
        "lager-nach-run-id",
        "zuruecksetzen/activities.py",
        'self._till.settle("Lager", key, 1)',
        'self._till.settle("Lager", str(activity.info().workflow_run_id), 1)',
        "test_a_stuck_run_is_freed_by_a_reset_to_the_start",
    ),
    mutant(
        "kasse-bucht-jedes-mal",
        "zuruecksetzen/ledger.py",
        "paid = sum(cents for one, cents in self._entries(db, kind) if one == key)",
        "paid = 0",
        "test_a_bad_release_is_repaired_in_a_batch",
    ),
    mutant(
        "erste-buchung-gewinnt",
        "zuruecksetzen/ledger.py",
        "if target != paid:",
        "if not paid:",
        "test_a_bad_release_is_repaired_in_a_batch",
    ),
    mutant(
        "ein-event-zu-frueh",
        "zuruecksetzen/repair.py",
        "return scheduled.workflow_task_completed_event_id",
        "return scheduled.workflow_task_completed_event_id - 1",
        "test_the_point_is_the_end_of_the_task_that_scheduled_the_step",
    ),
    mutant(
        "auch-alte-laeufe",
        "zuruecksetzen/repair.py",
        "if latest.run_id == execution.run_id and latest.status in REPAIRABLE:",
        "if latest.status in REPAIRABLE:",
        "test_the_command_finds_and_resets",
    ),
    mutant(
        "alle-versionen",
        "zuruecksetzen/repair.py",
        """query = f'BuildIds = "unversioned:{build}" AND TaskQueue = "{task_queue}"'""",
        """query = f'TaskQueue = "{task_queue}"'""",
        "test_runs_of_other_versions_are_not_touched",
    ),
    mutant(
        "zweimal-zurueckgesetzt",
        "zuruecksetzen/repair.py",
        "if latest.run_id != run.run_id:",
        "if not latest.run_id:",
        "test_a_run_is_reset_only_once",
    ),
    mutant(
        "nichts-ausgelassen",
        "zuruecksetzen/repair.py",
        "reset_reapply_exclude_types=exclude,",
        "reset_reapply_exclude_types=[],",
        "test_updates_after_the_point_are_applied_again_unless_excluded",
    ),
    mutant(
        "laesst-alles-aus",
        "zuruecksetzen/repair.py",
        "reset_reapply_exclude_types=exclude,",
        "reset_reapply_exclude_types=[SIGNALS, UPDATES],",
        "test_updates_after_the_point_are_applied_again_unless_excluded",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel08"
    file = "test_zuruecksetzen.py"
    mutants = MUTANTS

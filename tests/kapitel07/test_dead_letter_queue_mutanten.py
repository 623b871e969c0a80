"""Beschädigter Code der Dead Letter Queue muss auffallen: je Mutant ein Test, der rot wird."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "anhalten-fehlt",
        "dead_letter_queue/activities.py",
        "receipt = self._ledger.hold(BookRequest(letter.row, letter.round))",
        "receipt = None",
        "test_a_booking_without_an_answer_is_not_parked",
    ),
    mutant(
        "runde-wird-uebersehen",
        "dead_letter_queue/ledger.py",
        "if state == HELD and request.round <= held:",
        "if False:",
        "test_the_ledger_pays_once_and_never_in_a_held_round",
    ),
    mutant(
        "schluessel-fehlt",
        "dead_letter_queue/ledger.py",
        "if state != BOOKED:",
        "if True:",
        "test_a_booking_without_an_answer_is_not_parked",
    ),
    mutant(
        "brief-doppelt-im-protokoll",
        "dead_letter_queue/letters.py",
        "if inserted.rowcount:",
        "if True:",
        "test_parking_delivered_twice_leaves_one_letter",
    ),
    mutant(
        "brief-wird-ueberschrieben",
        "dead_letter_queue/letters.py",
        "INSERT OR IGNORE INTO letter(",
        "INSERT OR REPLACE INTO letter(",
        "test_the_same_file_again_changes_nothing",
    ),
    mutant(
        "verwerfen-ohne-bedingung",
        "dead_letter_queue/letters.py",
        """"UPDATE letter SET state = ? WHERE number = ? AND state = ?",
                (State.DISCARDED, number, State.PARKED),""",
        """"UPDATE letter SET state = ? WHERE number = ? AND ? <> ''",
                (State.DISCARDED, number, State.PARKED),""",
        "test_a_letter_that_is_redriven_cannot_be_discarded",
    ),
    mutant(
        "wiederholung-nimmt-jeden-brief",
        "dead_letter_queue/letters.py",
        '" WHERE number = ? AND state = ? AND redrive <> ?",',
        "\" WHERE number = ? AND ? <> '' AND redrive <> ?\",",
        "test_discard_and_redrive_race_for_each_letter",
    ),
    mutant(
        "wiederholung-nimmt-zweimal",
        "dead_letter_queue/letters.py",
        '" WHERE number = ? AND state = ? AND redrive <> ?",',
        "\" WHERE number = ? AND state = ? AND ? <> ''\",",
        "test_a_redrive_delivered_twice_counts_once",
    ),
    mutant(
        "validator-laesst-alles-zu",
        "dead_letter_queue/workflow.py",
        "if not waiting or self._decision:",
        "if False:",
        "test_of_retry_and_discard_at_once_exactly_one_counts",
    ),
    mutant(
        "berichtigung-ungeprueft",
        "dead_letter_queue/workflow.py",
        'raise ApplicationError(str(error), type="BerichtigungHilftNicht") from None',
        "pass",
        "test_a_rejected_decision_leaves_no_trace",
    ),
    mutant(
        "abbruch-verliert-den-posten",
        "dead_letter_queue/workflow.py",
        "await self._hand_over()",
        "self._show(State.HANDED_OVER)",
        "test_a_cancel_anywhere_loses_no_item",
    ),
    mutant(
        "abbruch-ungeschuetzt",
        "dead_letter_queue/workflow.py",
        "await finish_despite_cancel(self._settle())",
        "await self._settle()",
        "test_a_cancel_anywhere_loses_no_item",
    ),
    mutant(
        "keine-eskalation",
        "dead_letter_queue/workflow.py",
        "escalated = self._reminders >= self._options.escalate_with",
        "escalated = False",
        "test_years_of_waiting_stay_far_below_the_history_limit",
    ),
    mutant(
        "suchattribut-bleibt-stehen",
        "dead_letter_queue/workflow.py",
        "DEAD_LETTER.value_set(mark) if mark else DEAD_LETTER.value_unset()",
        'DEAD_LETTER.value_set(mark or "fertig")',
        "test_a_parked_item_is_visible",
    ),
    mutant(
        "import-legt-nicht-ab",
        "dead_letter_queue/batch.py",
        "return await self._park(row, Trouble.of(error))",
        "return State.PARKED",
        "test_a_batch_of_100_under_faults_ends_every_item_once",
    ),
    mutant(
        "abbruch-legt-gute-zeilen-ab",
        "dead_letter_queue/batch.py",
        "if is_cancelled_exception(error):",
        "if False:",
        "test_a_cancelled_import_parks_nothing_and_can_be_repeated",
    ),
    mutant(
        "fenster-fehlt",
        "dead_letter_queue/batch.py",
        "asyncio.Semaphore(job.window)",
        "asyncio.Semaphore(1000)",
        "test_the_window_limits_what_is_in_flight",
    ),
    mutant(
        "wiederholung-ungebremst",
        "dead_letter_queue/batch.py",
        "await workflow.sleep(1 / job.per_second)",
        "pass",
        "test_a_redrive_keeps_its_rate",
    ),
    mutant(
        "freigabe-haelt-nicht-an",
        "dead_letter_queue/operate.py",
        "if receipt := ledger.hold(BookRequest(letter.row, letter.round)):",
        "if receipt := None:",
        "test_letters_of_a_terminated_redrive_are_released",
    ),
    mutant(
        "batch-trifft-alte-laeufe",
        "dead_letter_queue/operate.py",
        "if latest.run_id == failed.run_id:",
        "if True:",
        "test_the_second_batch_finds_nothing_left_to_reset",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel07"
    file = "test_dead_letter_queue.py"
    mutants = MUTANTS

"""Mutanten des Musters `rate_limit`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "fenster-ohne-toleranz",
        "rate_limit/quota.py",
        "timedelta(seconds=self.window + self.tolerance)",
        "timedelta(seconds=self.window)",
        "test_a_full_window_moves_the_next_permit_behind_it",
    ),
    mutant(
        "weg-zum-anbieter-vergessen",
        "rate_limit/quota.py",
        "slot + timedelta(seconds=self.quota.tolerance / 2)",
        "slot + timedelta(seconds=self.quota.tolerance)",
        "test_no_window_and_no_day_ever_exceeds_the_quota",
    ),
    mutant(
        "eine-anfrage-zu-viel",
        "rate_limit/quota.py",
        "if len(self.slots) >= quota.per_window:",
        "if len(self.slots) > quota.per_window:",
        "test_a_full_window_moves_the_next_permit_behind_it",
    ),
    mutant(
        "tag-ohne-grenze",
        "rate_limit/quota.py",
        "if used_up or slot",
        "if slot",
        "test_the_day_ends_at_midnight_in_berlin",
    ),
    mutant(
        "tag-in-utc",
        "rate_limit/quota.py",
        "return moment.astimezone(ZoneInfo(self.quota.zone))",
        "return moment",
        "test_the_day_ends_at_midnight_in_berlin",
    ),
    mutant(
        "tag-hat-24-stunden",
        "rate_limit/quota.py",
        "return tomorrow.astimezone(moment.tzinfo)",
        "return moment + timedelta(days=1)",
        "test_a_day_has_23_24_or_25_hours[kurz]",
    ),
    mutant(
        "erlaubnis-ueber-mitternacht",
        "rate_limit/quota.py",
        "slot + timedelta(seconds=quota.tolerance) >= midnight",
        "slot >= midnight",
        "test_no_permit_reaches_over_midnight",
    ),
    mutant(
        "frage-zaehlt-doppelt",
        "rate_limit/quota.py",
        "            return known\n",
        "            pass\n",
        "test_a_repeated_question_gets_the_same_permit_until_it_expires",
    ),
    mutant(
        "neuer-lauf-vergisst-den-zustand",
        "rate_limit/workflow.py",
        "workflow.continue_as_new(self._book)",
        "workflow.continue_as_new(PermitBook(self._book.quota))",
        "test_continue_as_new_keeps_slots_and_permits",
    ),
    mutant(
        "abgelaufene-erlaubnis-gilt",
        "rate_limit/activities.py",
        "if call.permit and activity.info().started_time > call.permit.not_after:",
        "if False:",
        "test_an_expired_permit_calls_nobody",
    ),
    mutant(
        "nicht-benign",
        "rate_limit/activities.py",
        "            next_retry_delay=pause,\n            category=ApplicationErrorCategory.BENIGN,",
        "            next_retry_delay=pause,",
        "test_429_is_benign_and_names_the_next_attempt",
    ),
    mutant(
        "ohne-retry-after",
        "rate_limit/activities.py",
        "            next_retry_delay=pause,\n            category",
        "            category",
        "test_429_is_benign_and_names_the_next_attempt",
    ),
    mutant(
        "limit-nur-je-worker",
        "rate_limit/worker.py",
        "max_activities_per_second=per_worker,\n        max_task_queue_activities_per_second=per_queue,",
        "max_activities_per_second=per_queue,",
        "test_a_queue_limit_holds_over_all_workers",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel09"
    file = "test_rate_limit.py"
    mutants = MUTANTS

"""Mutanten des Musters `circuit_breaker`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "oeffnet-zu-spaet",
        "circuit_breaker/breaker.py",
        "len(self.failures) >= self.settings.failures_to_open",
        "len(self.failures) > self.settings.failures_to_open",
        "test_opens_at_the_configured_number_of_failures_in_a_row",
    ),
    mutant(
        "erfolg-loescht-nicht",
        "circuit_breaker/breaker.py",
        "self.failures.clear()",
        "pass",
        "test_opens_at_the_configured_number_of_failures_in_a_row",
    ),
    mutant(
        "meldung-zaehlt-doppelt",
        "circuit_breaker/breaker.py",
        "elif permit.number not in self.failures:",
        "else:",
        "test_a_report_counts_once",
    ),
    mutant(
        "spaete-meldung-zaehlt",
        "circuit_breaker/breaker.py",
        "if permit.phase != self.phase:",
        "if False:",
        "test_a_late_report_from_an_earlier_phase_counts_for_nothing",
    ),
    mutant(
        "eine-probe-zu-viel",
        "circuit_breaker/breaker.py",
        "taken = len(self.probes) + self.passed",
        "taken = len(self.probes)",
        "test_half_open_grants_no_more_after_a_probe_has_passed",
    ),
    mutant(
        "schliesst-nach-der-ersten-probe",
        "circuit_breaker/breaker.py",
        "if self.passed >= self.settings.probes:",
        "if True:",
        "test_a_report_counts_once",
    ),
    mutant(
        "verlorene-probe-bleibt",
        "circuit_breaker/breaker.py",
        "return any(now - probe.since >= limit for probe in self.probes)",
        "return False and bool(limit)",
        "test_a_lost_probe_counts_as_failed",
    ),
    mutant(
        "proben-zaehlen-weiter",
        "circuit_breaker/breaker.py",
        "self.passed, self.open_until = 0, 0.0",
        "self.open_until = 0.0",
        "test_probes_are_counted_anew_after_a_failed_one",
    ),
    mutant(
        "nein-zaehlt-als-stoerung",
        "circuit_breaker/interceptor.py",
        "answered=error.type not in TECHNICAL",
        "answered=False",
        "test_only_technical_errors_count",
    ),
    mutant(
        "fehler-wird-nicht-gemeldet",
        "circuit_breaker/interceptor.py",
        "            await self._report(answer.permit, answered=error.type not in TECHNICAL)\n            raise",
        "            raise",
        "test_scenario[schalter-oeffnet]",
    ),
    mutant(
        "nicht-benign",
        "circuit_breaker/interceptor.py",
        "category=ApplicationErrorCategory.BENIGN,",
        "",
        "test_refusal_is_benign_and_names_the_next_attempt",
    ),
    mutant(
        "ohne-next-retry-delay",
        "circuit_breaker/interceptor.py",
        "next_retry_delay=timedelta(seconds=pause),",
        "",
        "test_refusal_is_benign_and_names_the_next_attempt",
    ),
    mutant(
        "fragt-fuer-jede-activity",
        "circuit_breaker/interceptor.py",
        "if activity.info().activity_type not in self._types:",
        "if False:",
        "test_other_activities_do_not_ask",
    ),
    mutant(
        "offen-und-stumm-heisst-erlaubt",
        "circuit_breaker/interceptor.py",
        "if self._heard_open:",
        "if False:",
        "test_an_unreachable_breaker_lets_calls_through_unless_it_was_open",
    ),
    mutant(
        "vergisst-dass-er-offen-ist",
        "circuit_breaker/interceptor.py",
        "self._closed_until = self._clock() + answer.wait",
        "pass",
        "test_a_worker_that_heard_open_does_not_ask_again",
    ),
    mutant(
        "abweisung-ohne-validator",
        "circuit_breaker/workflow.py",
        "if wait := self._breaker.refusal(workflow.now().timestamp()):",
        "if wait := 0.0:",
        "test_a_refused_question_leaves_no_event",
    ),
    mutant(
        "neuer-lauf-vergisst-den-zustand",
        "circuit_breaker/workflow.py",
        "workflow.continue_as_new(self._breaker)",
        "workflow.continue_as_new(Breaker(self._breaker.settings))",
        "test_continue_as_new_keeps_the_state",
    ),
    mutant(
        "dienst-ohne-schluessel",
        "circuit_breaker/services.py",
        "(key, order_number)",
        "(f'{key}-{self.arrivals}', order_number)",
        "test_no_answer_is_a_technical_error",
    ),
    mutant(
        "meldung-reisst-den-aufruf-mit",
        "circuit_breaker/interceptor.py",
        'log.warning("Der Schalter „%s“ nimmt keine Meldung an: %s", self._id, error)',
        "raise",
        "test_a_missing_breaker_is_started_by_the_next_question",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel07"
    file = "test_circuit_breaker.py"
    mutants = MUTANTS

"""Mutanten des Musters `zustand_migrieren`."""

from mutanten import MutantTests, mutant

SCHEMA, WORKFLOW = "zustand_migrieren/schema.py", "zustand_migrieren/workflow.py"

MUTANTS = [
    mutant(
        "cent-abgeschnitten",
        SCHEMA,
        "return round(euros * 100)",
        "return int(euros * 100)",
        "test_cents_are_rounded_not_cut",
    ),
    mutant(
        "name-am-ersten-leerzeichen",
        SCHEMA,
        'return (first, last) if first else ("", name)',
        "return first, last",
        "test_nothing_of_version_1_is_lost",
    ),
    mutant(
        "mail-vergessen",
        SCHEMA,
        'return _move(data, "mail", "email")',
        "return data",
        "test_all_forms_of_the_same_account_read_alike",
    ),
    mutant(
        "original-veraendert",
        SCHEMA,
        "    data = dict(payload)\n",
        "    data = payload\n",
        "test_nothing_of_version_1_is_lost",
    ),
    mutant(
        "schritte-verschoben",
        SCHEMA,
        "STEPS[schema - 1 : to - 1]",
        "STEPS[schema : to]",
        "test_all_forms_of_the_same_account_read_alike",
    ),
    mutant(
        "neueres-wird-gelesen",
        SCHEMA,
        "if schema > to:",
        "if False:",
        "test_newer_data_is_refused",
    ),
    mutant(
        "nummer-fehlt",
        SCHEMA,
        'return {"schema": schema, **asdict(record)}',
        "return asdict(record)",
        "test_what_is_written_carries_its_number_and_reads_the_same",
    ),
    mutant(
        "zieht-immer-um",
        WORKFLOW,
        "self._moving = self._outdated",
        "self._moving = True",
        "test_an_account_in_the_newest_form_does_not_move",
    ),
    mutant(
        "umzug-ohne-suchattribut",
        WORKFLOW,
        "write(self._account), search_attributes=tagged()",
        "write(self._account)",
        "test_bookings_are_confirmed_before_the_move",
    ),
    mutant(
        "umzug-vor-der-bestaetigung",
        WORKFLOW,
        "            if not self._unconfirmed:\n",
        "            if self._leaving() or not self._unconfirmed:\n",
        "test_bookings_are_confirmed_before_the_move",
    ),
    mutant(
        "ohne-validator",
        WORKFLOW,
        "        read(Rename, sent)  # Was sich nicht lesen lässt, kommt gar nicht erst hinein.",
        "        pass",
        "test_the_validator_refuses_what_it_cannot_read",
    ),
    mutant(
        "doppelte-buchung-zaehlt",
        "zustand_migrieren/models.py",
        "if booking.number in self.booked:",
        "if False:",
        "test_an_account_remembers_a_bounded_number_of_bookings",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel08"
    file = "test_zustand_migrieren.py"
    mutants = MUTANTS

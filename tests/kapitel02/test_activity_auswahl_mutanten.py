"""Mutanten des Musters `activity_auswahl`."""

from pathlib import Path

import pytest
from mutanten import Mutant, copy_package, must_turn_red, run_tests

TESTS = "test_activity_auswahl.py"
ACTIVITIES = "activity_auswahl/activities.py"
WORKFLOW = "activity_auswahl/workflow.py"
CHOICE = f"{TESTS}::test_gewicht_und_land_entscheiden"
ONCE = f"{TESTS}::test_jede_buchung_geschieht_einmal"
MUTANTS = [
    Mutant("Brief nur unter der Grenze", WORKFLOW, "<= tariff.letter_grams", "< tariff.letter_grams", CHOICE),
    Mutant("Paket nur unter der Grenze", WORKFLOW, "> tariff.parcel_grams", ">= tariff.parcel_grams", CHOICE),
    Mutant("Ausland vergessen", WORKFLOW, 'country != "DE"', 'country == "XX"', CHOICE),
    Mutant(
        "Übergewicht wird wiederholt",
        WORKFLOW,
        ", non_retryable=True",
        "",
        f"{TESTS}::test_zu_schwer_ist_ein_endgueltiger_fehler",
    ),
    Mutant(
        "erst buchen, dann die nächste wählen",
        WORKFLOW,
        "chosen = [(parcel, choose(parcel, tariff)) for parcel in parcels]",
        "return [await self._dispatch(parcel, choose(parcel, tariff)) for parcel in parcels]",
        f"{TESTS}::test_zu_schwer_bucht_gar_nichts",
    ),
    Mutant(
        "immer nacheinander",
        WORKFLOW,
        "if shipment.one_by_one:",
        "if True:",
        f"{TESTS}::test_ergebnisse_stehen_in_der_reihenfolge_der_sendungen",
    ),
    Mutant(
        "immer gleichzeitig",
        WORKFLOW,
        "if shipment.one_by_one:",
        "if False:",
        f"{TESTS}::test_nacheinander_kommt_das_etikett_vor_der_naechsten_buchung",
    ),
    Mutant(
        "Tarif aus dem Code",
        WORKFLOW,
        "choose(parcel, tariff))",
        "choose(parcel, Tariff(500, 31_500)))",
        f"{TESTS}::test_auswahl_bleibt_trotz_neuem_tarif",
    ),
    Mutant(
        "Paket ohne festen Schlüssel",
        ACTIVITIES,
        '"Paket", parcel.parcel_id, place()',
        '"Paket", str(id(parcel)), place()',
        ONCE,
    ),
    Mutant(
        "Brief ohne festen Schlüssel",
        ACTIVITIES,
        '"key": parcel.parcel_id',
        '"key": str(id(reader))',
        ONCE,
    ),
    Mutant(
        "Dienst vergisst den Schlüssel",
        "activity_auswahl/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        ONCE,
    ),
    Mutant(
        "Buchung blockiert die Event-Loop",
        ACTIVITIES,
        "    def book_parcel(",
        "    async def book_parcel(",
        f"{TESTS}::test_nacheinander_kommt_das_etikett_vor_der_naechsten_buchung",
    ),
    Mutant(
        "Etiketten in Threads",
        "activity_auswahl/worker.py",
        "yield Pool(executor, processes, shared)",
        "yield Pool(ThreadPoolExecutor(processes), processes)",
        f"{TESTS}::test_drei_wege_laufen_an_drei_orten",
    ),
    Mutant(
        "unbekannter Name ohne Ende wiederholt",
        "activity_auswahl/by_name.py",
        '["NotFoundError"]',
        "[]",
        f"{TESTS}::test_unbekannter_name_beendet_den_workflow",
    ),
    Mutant(
        "Ergebnis ohne Typ",
        "activity_auswahl/by_name.py",
        "result_type=Receipt",
        "result_type=dict",
        f"{TESTS}::test_name_aus_der_tabelle_waehlt_die_activity",
    ),
]


@pytest.mark.mutant
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mutant_macht_einen_test_rot(mutant: Mutant, tmp_path: Path) -> None:
    must_turn_red(mutant, tmp_path)


@pytest.mark.mutant
def test_unbeschaedigte_kopie_bleibt_gruen(tmp_path: Path) -> None:
    copy_package(tmp_path)
    assert run_tests(TESTS, tmp_path).returncode == 0

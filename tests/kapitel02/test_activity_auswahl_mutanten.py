"""Mutanten des Musters `activity_auswahl`."""

from mutanten import MutantTests, mutant

ACTIVITIES = "activity_auswahl/activities.py"
WORKFLOW = "activity_auswahl/workflow.py"
CHOICE = "test_gewicht_und_land_entscheiden"
ONCE = "test_jede_buchung_geschieht_einmal"
MUTANTS = [
    mutant("Brief nur unter der Grenze", WORKFLOW, "<= tariff.letter_grams", "< tariff.letter_grams", CHOICE),
    mutant("Paket nur unter der Grenze", WORKFLOW, "> tariff.parcel_grams", ">= tariff.parcel_grams", CHOICE),
    mutant("Ausland vergessen", WORKFLOW, 'country != "DE"', 'country == "XX"', CHOICE),
    mutant(
        "Übergewicht wird wiederholt",
        WORKFLOW,
        ", non_retryable=True",
        "",
        "test_zu_schwer_ist_ein_endgueltiger_fehler",
    ),
    mutant(
        "erst buchen, dann die nächste wählen",
        WORKFLOW,
        "chosen = [(parcel, choose(parcel, tariff)) for parcel in parcels]",
        "return [await self._dispatch(parcel, choose(parcel, tariff)) for parcel in parcels]",
        "test_zu_schwer_bucht_gar_nichts",
    ),
    mutant(
        "immer nacheinander",
        WORKFLOW,
        "if shipment.one_by_one:",
        "if True:",
        "test_ergebnisse_stehen_in_der_reihenfolge_der_sendungen",
    ),
    mutant(
        "immer gleichzeitig",
        WORKFLOW,
        "if shipment.one_by_one:",
        "if False:",
        "test_nacheinander_kommt_das_etikett_vor_der_naechsten_buchung",
    ),
    mutant(
        "Tarif aus dem Code",
        WORKFLOW,
        "choose(parcel, tariff))",
        "choose(parcel, Tariff(500, 31_500)))",
        "test_auswahl_bleibt_trotz_neuem_tarif",
    ),
    mutant(
        "Paket ohne festen Schlüssel",
        ACTIVITIES,
        '"Paket", parcel.parcel_id, place()',
        '"Paket", str(id(parcel)), place()',
        ONCE,
    ),
    mutant(
        "Brief ohne festen Schlüssel",
        ACTIVITIES,
        '"key": parcel.parcel_id',
        '"key": str(id(reader))',
        ONCE,
    ),
    mutant(
        "Dienst vergisst den Schlüssel",
        "activity_auswahl/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        ONCE,
    ),
    mutant(
        "Buchung blockiert die Event-Loop",
        ACTIVITIES,
        "    def book_parcel(",
        "    async def book_parcel(",
        "test_nacheinander_kommt_das_etikett_vor_der_naechsten_buchung",
    ),
    mutant(
        "Etiketten in Threads",
        "activity_auswahl/worker.py",
        "yield Pool(executor, processes, shared)",
        "yield Pool(ThreadPoolExecutor(processes), processes)",
        "test_drei_wege_laufen_an_drei_orten",
    ),
    mutant(
        "unbekannter Name ohne Ende wiederholt",
        "activity_auswahl/by_name.py",
        '["NotFoundError"]',
        "[]",
        "test_unbekannter_name_beendet_den_workflow",
    ),
    mutant(
        "Ergebnis ohne Typ",
        "activity_auswahl/by_name.py",
        "result_type=Receipt",
        "result_type=dict",
        "test_name_aus_der_tabelle_waehlt_die_activity",
    ),
    mutant(
        "Ausfall eines Workers bleibt unbemerkt",
        "activity_auswahl/worker.py",
        """    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run())
""",
        "    await asyncio.gather(*(worker.run() for worker in workers))\n",
        "test_faellt_ein_worker_aus_hoeren_alle_auf",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel02"
    file = "test_activity_auswahl.py"
    mutants = MUTANTS

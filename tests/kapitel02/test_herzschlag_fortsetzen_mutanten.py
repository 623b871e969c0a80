"""Mutanten des Musters `herzschlag_fortsetzen`."""

from mutanten import MutantTests, mutant

EVERYWHERE = "test_an_jeder_stelle_kommt_jedes_paket_genau_einmal_an"
MUTANTS = [
    mutant(
        "merkt die erledigte Zeile",
        "herzschlag_fortsetzen/activities.py",
        "Position(next_row=row + 1)",
        "Position(next_row=row)",
        EVERYWHERE,
    ),
    mutant(
        "überspringt eine Zeile",
        "herzschlag_fortsetzen/activities.py",
        "Position(next_row=row + 1)",
        "Position(next_row=row + 2)",
        EVERYWHERE,
    ),
    mutant(
        "liest die Position nicht",
        "herzschlag_fortsetzen/activities.py",
        "if details else Position()",
        "if False else Position()",
        EVERYWHERE,
    ),
    mutant(
        "meldet vor der Wirkung",
        "herzschlag_fortsetzen/activities.py",
        "            stop_if_asked()\n",
        "            activity.heartbeat(Position(next_row=parcel.row + 1))\n            stop_if_asked()\n",
        EVERYWHERE,
    ),
    mutant(
        "meldet ohne Position",
        "herzschlag_fortsetzen/activities.py",
        "activity.heartbeat(Position(next_row=row + 1))",
        "activity.heartbeat()",
        EVERYWHERE,
    ),
    mutant(
        "meldet gar nicht",
        "herzschlag_fortsetzen/activities.py",
        "activity.heartbeat(Position(next_row=row + 1))",
        "pass",
        EVERYWHERE,
    ),
    mutant(
        "Paket ohne Schlüssel",
        "herzschlag_fortsetzen/activities.py",
        "announce(parcel, key=parcel.number)",
        "announce(parcel)",
        EVERYWHERE,
    ),
    mutant(
        "Frachtführer ohne Eindeutigkeit",
        "herzschlag_fortsetzen/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        EVERYWHERE,
    ),
    mutant(
        "Liste beginnt eine Zeile zu spät",
        "herzschlag_fortsetzen/services.py",
        "csv.reader(lines), start - 1, None",
        "csv.reader(lines), start, None",
        "test_paketliste_laesst_sich_ab_jeder_zeile_lesen",
    ),
    mutant(
        "hört beim Beenden des Workers nicht auf",
        "herzschlag_fortsetzen/activities.py",
        "if activity.is_worker_shutdown():",
        "if False:",
        "test_geordnetes_ende_wiederholt_nichts",
    ),
    mutant(
        "gibt beim Beenden nicht wiederholbar ab",
        "herzschlag_fortsetzen/activities.py",
        'type="WorkerShutdown")',
        'type="WorkerShutdown", non_retryable=True)',
        "test_geordnetes_ende_wiederholt_nichts",
    ),
    mutant(
        "hört bei Abbruch nicht auf",
        "herzschlag_fortsetzen/activities.py",
        "if activity.is_cancelled():",
        "if False:",
        "test_abbruch_endet_zwischen_zwei_paketen",
    ),
    mutant(
        "Abbruch trifft mitten ins Paket",
        "herzschlag_fortsetzen/activities.py",
        "@activity.defn(no_thread_cancel_exception=True)",
        "@activity.defn",
        "test_abbruch_endet_zwischen_zwei_paketen",
    ),
    mutant(
        "Abbruch ohne Warten",
        "herzschlag_fortsetzen/workflow.py",
        "ActivityCancellationType.WAIT_CANCELLATION_COMPLETED",
        "ActivityCancellationType.TRY_CANCEL",
        "test_abbruch_endet_zwischen_zwei_paketen",
    ),
    mutant(
        "ohne Heartbeat-Timeout",
        "herzschlag_fortsetzen/workflow.py",
        "            heartbeat_timeout=timedelta(seconds=job.heartbeat_seconds),\n",
        "",
        "test_workflow_setzt_beide_fristen",
    ),
    mutant(
        "Worker lässt beim Beenden keine Zeit",
        "herzschlag_fortsetzen/worker.py",
        "        graceful_shutdown_timeout=timedelta(seconds=10),\n",
        "",
        "test_worker_laesst_beim_beenden_zeit",
    ),
    mutant(
        "Start-To-Close statt zwei Stunden",
        "herzschlag_fortsetzen/workflow.py",
        "timedelta(hours=2)",
        "timedelta(seconds=2)",
        "test_workflow_setzt_beide_fristen",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel02"
    file = "test_herzschlag_fortsetzen.py"
    mutants = MUTANTS

"""Mutanten des Musters `lokale_activity`."""

from mutanten import MutantTests, mutant

ACTIVITIES = "lokale_activity/activities.py"
WORKFLOW = "lokale_activity/workflow.py"
LOCAL = "test_neun_lokale_schritte_sind_ein_workflow_task"
MUTANTS = [
    mutant(
        "Nummer ohne Schlüssel",
        ACTIVITIES,
        "draw(order.order_id)",
        "draw(None)",
        "test_signal_wiederholt_alles_ohne_absturz",
    ),
    mutant(
        "Schlüssel je Activity-ID",
        ACTIVITIES,
        "draw(order.order_id)",
        "draw(activity.info().activity_id)",
        "test_nach_dem_timer_traegt_der_versuch_eine_neue_activity_id",
    ),
    mutant(
        "Register vergisst den Schlüssel",
        "lokale_activity/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        "test_doppelte_ausfuehrung_zieht_eine_nummer",
    ),
    mutant(
        "Preise über den Server",
        WORKFLOW,
        "total += await workflow.execute_local_activity_method(",
        "total += await workflow.execute_activity_method(",
        LOCAL,
    ),
    mutant("nur der letzte Preis", WORKFLOW, "total += await", "total = await", LOCAL),
    mutant("Menge vergessen", ACTIVITIES, " * line.quantity", "", LOCAL),
    mutant(
        "jede Pause ein Timer",
        WORKFLOW,
        "local_retry_threshold=timedelta(seconds=1)",
        "local_retry_threshold=timedelta(milliseconds=1)",
        "test_kurze_pausen_bleiben_im_worker",
    ),
    mutant(
        "keine Pause ein Timer",
        WORKFLOW,
        "local_retry_threshold=timedelta(seconds=1)",
        "local_retry_threshold=timedelta(hours=1)",
        "test_lange_pausen_werden_timer",
    ),
    mutant(
        "Bemerkung verworfen",
        WORKFLOW,
        "self._notes.append(text)",
        "del text",
        "test_signal_wiederholt_alles_ohne_absturz",
    ),
    mutant(
        "neuer Befehl vor den Preisen",
        WORKFLOW,
        "        total = 0\n",
        "        await workflow.sleep(1)\n        total = 0\n",
        "test_aufgezeichneter_lauf_passt_zum_code",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel02"
    file = "test_lokale_activity.py"
    mutants = MUTANTS

"""Mutanten des Musters `worker_versionierung`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "bestellung-zieht-von-selbst-um",
        "worker_versionierung/version1.py",
        "@workflow.defn(versioning_behavior=VersioningBehavior.PINNED)\nclass OrderWorkflow:",
        "@workflow.defn(versioning_behavior=VersioningBehavior.AUTO_UPGRADE)\nclass OrderWorkflow:",
        "test_every_workflow_says_how_it_moves",
    ),
    mutant(
        "retoure-ohne-patch",
        "worker_versionierung/version2.py",
        'if workflow.patched("retoure-ankuendigen"):',
        "if True:",
        "test_recorded_history_replays[auto-upgrade]",
    ),
    mutant(
        "neue-version-ohne-neuen-schritt",
        "worker_versionierung/version2.py",
        "WarehouseActivities.check_address,",
        "WarehouseActivities.reserve_stock,",
        "test_recorded_history_replays[neue-version]",
    ),
    mutant(
        "inventur-bleibt-immer",
        "worker_versionierung/version1.py",
        "behavior.AUTO_UPGRADE",
        "behavior.UNSPECIFIED",
        "test_scenario[inventur-zieht-um]",
    ),
    mutant(
        "inventur-zieht-immer-um",
        "worker_versionierung/version1.py",
        "if inventory.upgrade\n",
        "if True\n",
        "test_scenario[inventur-bleibt]",
    ),
    mutant(
        "inventur-merkt-nichts-vom-wechsel",
        "worker_versionierung/version1.py",
        "return inventory.upgrade and changed",
        "return False and changed",
        "test_a_long_run_moves_before_its_history_is_full",
    ),
    mutant(
        "korrektur-fehlt",
        "worker_versionierung/version1_1.py",
        '"CH": "Alpenpost",',
        "",
        "test_recorded_history_replays[umgelenkt]",
    ),
    mutant(
        "worker-ohne-versionierung",
        "worker_versionierung/worker.py",
        "use_worker_versioning=True,",
        "use_worker_versioning=False,",
        "test_the_worker_reports_its_version",
    ),
    mutant(
        "worker-nennt-falsche-version",
        "worker_versionierung/worker.py",
        "WorkerDeploymentVersion(deployment, build_id)",
        'WorkerDeploymentVersion(deployment, "1.0")',
        "test_the_worker_reports_its_version",
    ),
    mutant(
        "ohne-schluessel",
        "worker_versionierung/book.py",
        "key TEXT PRIMARY KEY,",
        "key TEXT,",
        "test_a_step_counts_once_and_for_the_version_that_came_first",
    ),
    mutant(
        "ein-regal-verdeckt-das-andere",
        "worker_versionierung/activities.py",
        'key = f"{task.number}/{step}/{task.subject}"',
        'key = f"{task.number}/{step}"',
        "test_scenario[inventur-bleibt]",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel08"
    file = "test_worker_versionierung.py"
    mutants = MUTANTS

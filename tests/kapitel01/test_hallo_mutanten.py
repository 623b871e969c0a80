"""Mutanten des Musters `hallo`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "Dateiname nicht aus der Bestellnummer",
        "hallo/activities.py",
        'f"{order.order_id}.txt"',
        'f"{activity.info().attempt}.txt"',
        "test_activity_laeuft_zweimal_und_wirkt_einmal",
    ),
    mutant(
        "Cent ohne führende Null",
        "hallo/activities.py",
        "{cents:02d}",
        "{cents}",
        "test_activity_laeuft_zweimal_und_wirkt_einmal",
    ),
    mutant(
        "Workflow wartet nicht auf die Activity",
        "hallo/workflow.py",
        "return await workflow.execute_activity_method",
        "return workflow.start_activity_method",
        "test_ein_schreiben_liegt_im_postausgang",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel01"
    file = "test_hallo.py"
    mutants = MUTANTS

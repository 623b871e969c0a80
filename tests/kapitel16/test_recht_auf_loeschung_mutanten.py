"""Mutanten des Musters `recht_auf_loeschung`."""

from mutanten import Mutant, MutantTests, mutant

MUTANTS = [
    mutant(
        "ohne-ueberschreiben",
        "recht_auf_loeschung/key_store.py",
        "PRAGMA secure_delete = ON",
        "PRAGMA secure_delete = OFF",
        "test_destroying_leaves_no_byte_of_the_key_in_the_file",
    ),
    mutant(
        "zweite-loeschung-datiert-um",
        "recht_auf_loeschung/key_store.py",
        "INSERT OR IGNORE INTO destroyed",
        "INSERT OR REPLACE INTO destroyed",
        "test_a_destroyed_key_stays_destroyed",
    ),
    mutant(
        "schluessel-verfaellt-nie",
        "recht_auf_loeschung/key_store.py",
        "if now < k.until}",
        "}",
        "test_no_worker_uses_a_key_longer_than_its_lifetime",
    ),
    Mutant(
        "verpackung-ohne-kennung",
        "recht_auf_loeschung/key_store.py",
        (
            (".encrypt(nonce, key, key_id.encode())", '.encrypt(nonce, key, b"")'),
            (".decrypt(nonce, sealed, key_id.encode())", '.decrypt(nonce, sealed, b"")'),
        ),
        ("test_a_wrapped_key_is_bound_to_its_person",),
    ),
    mutant(
        "alter-hauptschluessel-bleibt",
        "recht_auf_loeschung/key_store.py",
        "KeyRing({new: both.key(new)}, new).save(self._master)",
        "both.save(self._master)",
        "test_after_rotating_the_master_key_a_backup_is_worthless",
    ),
    mutant(
        "unbekannt-gehoert-dem-betrieb",
        "recht_auf_loeschung/codec.py",
        "    if _COMPANY_ID.fullmatch(workflow_id):\n        return COMPANY\n",
        "    return COMPANY\n",
        "test_without_an_owner_nothing_is_written",
    ),
    mutant(
        "client-schreibt-grabsteine",
        "recht_auf_loeschung/codec.py",
        "if self._strict:",
        "if False:",
        "test_erased_data_becomes_a_tombstone_everywhere",
    ),
    mutant(
        "fehlender-schluessel-gilt-als-geloescht",
        "recht_auf_loeschung/codec.py",
        "        except KeyDestroyedError:\n            return tombstone()",
        "        except LookupError:\n            return tombstone()",
        "test_a_missing_key_raises_instead_of_pretending_erasure",
    ),
    mutant(
        "ohne-zweiten-durchgang",
        "recht_auf_loeschung/workflow.py",
        "late = await step(ErasureActivities.terminate_running, request, **LONG)",
        "late = 0",
        "test_a_straggler_is_terminated_after_the_key_lifetime",
    ),
    mutant(
        "ohne-auf-das-ende-zu-warten",
        "recht_auf_loeschung/workflow.py",
        "while await step(ErasureActivities.end_running, request, **LONG):",
        "while False:",
        "test_a_paid_order_is_delivered_before_the_key_is_destroyed",
    ),
    mutant(
        "zuordnung-bleibt",
        "recht_auf_loeschung/activities.py",
        "        self._register.forget(destruction.customer)\n",
        "",
        "test_the_record_contains_no_personal_data",
    ),
    mutant(
        "ohne-waechter",
        "recht_auf_loeschung/worker.py",
        "interceptors=[ErasedGuard()],",
        "interceptors=[],",
        "test_a_reset_order_of_the_erased_person_fails_without_effect",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel16"
    file = "test_recht_auf_loeschung.py"
    mutants = MUTANTS

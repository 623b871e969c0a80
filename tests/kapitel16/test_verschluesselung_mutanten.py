"""Mutanten des Musters `verschluesselung`."""

from mutanten import MutantTests, mutant

CODEC, KEYS = "verschluesselung/codec.py", "verschluesselung/keys.py"
MUTANTS = [
    mutant(
        "falsche-iban-wird-bezahlt",
        "verschluesselung/workflow.py",
        "if not valid:",
        "if False:",
        "test_a_wrong_iban_fails_before_any_transfer",
    ),
    mutant(
        "worker-ohne-codec",
        CODEC,
        "return [seal(payload, key_id, key) for payload in payloads]",
        "return list(payloads)",
        "test_unknown_key_is_named",
    ),
    mutant(
        "feste-nonce",
        CODEC,
        "nonce = os.urandom(NONCE_BYTES)",
        "nonce = bytes(NONCE_BYTES)",
        "test_every_payload_has_its_own_nonce",
    ),
    mutant(
        "metadaten-offen",
        CODEC,
        '            "encoding": ENCODING,\n',
        '            **payload.metadata,\n            "encoding": ENCODING,\n',
        "test_metadata_is_sealed_too",
    ),
    mutant(
        "kennung-nicht-gebunden",
        CODEC,
        'b"|".join((b"nordlicht-payload-1", ENCODING, CIPHER, key_id.encode()))',
        'b"nordlicht-payload-1"',
        "test_key_id_and_cipher_cannot_be_exchanged",
    ),
    mutant(
        "verfahren-ungeprueft",
        CODEC,
        "if cipher != CIPHER:",
        "if False:",
        "test_key_id_and_cipher_cannot_be_exchanged",
    ),
    mutant(
        "laenge-ungeprueft",
        CODEC,
        "if len(payload.data) < NONCE_BYTES + TAG_BYTES:",
        "if False:",
        "test_every_truncation_is_noticed",
    ),
    mutant(
        "klartext-immer-angenommen",
        CODEC,
        "if self._accept_plaintext and not is_sealed(payload):",
        "if not is_sealed(payload):",
        "test_plaintext_is_refused_unless_allowed",
    ),
    mutant(
        "liest-nur-mit-dem-aktiven",
        CODEC,
        "self._ring.key(key_id_of(payload))",
        "self._ring.key(self._ring.active)",
        "test_unknown_key_is_named",
    ),
    mutant(
        "fehlertexte-im-klartext",
        CODEC,
        "        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,\n",
        "",
        "test_a_failed_workflow_tells_its_type_and_nothing_else",
    ),
    mutant(
        "rotation-schaltet-sofort-um",
        KEYS,
        "return KeyRing({**self._keys, key_id: key}, self.active)",
        "return KeyRing({**self._keys, key_id: key}, key_id)",
        "test_rotation_steps_change_nothing_else",
    ),
    mutant(
        "datei-fuer-alle-lesbar",
        KEYS,
        "draft.touch(mode=0o600)",
        "draft.touch(mode=0o644)",
        "test_the_ring_survives_a_file_only_the_owner_may_read",
    ),
    mutant(
        "schedules-uebersehen",
        "verschluesselung/visible.py",
        "usage = key_usage(description.raw_description)",
        "usage = Counter[str]()",
        "test_keys_in_use_names_running_workflows_and_schedules",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel16"
    file = "test_verschluesselung.py"
    mutants = MUTANTS

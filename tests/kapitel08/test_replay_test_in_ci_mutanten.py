"""Mutanten des Musters `replay_test_in_ci`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "zahlen-bleiben-stehen",
        "replay_test_in_ci/redaction.py",
        'return json.loads(re.sub(r"\\d", "1", json.dumps(value)))',
        "return value",
        "test_text_and_numbers_keep_their_shape",
    ),
    mutant(
        "fehlermeldungen-bleiben-stehen",
        "replay_test_in_ci/redaction.py",
        'FREE_TEXT = {"message", ',
        "FREE_TEXT = {",
        "test_payloads_in_every_corner_are_found",
    ),
    mutant(
        "schluessel-bleiben-stehen",
        "replay_test_in_ci/redaction.py",
        "return key if FIELD_NAME.fullmatch(key) else self._text(key)",
        "return key",
        "test_keys_that_are_no_field_names_are_data",
    ),
    mutant(
        "marken-des-kerns-werden-geschwaerzt",
        "replay_test_in_ci/redaction.py",
        'return message.marker_name.startswith("core_") and key != "result"',
        "return False",
        "test_payloads_in_every_corner_are_found",
    ),
    mutant(
        "reste-werden-nicht-gesucht",
        "replay_test_in_ci/redaction.py",
        "if found := remains.search(text.casefold()):",
        "if (found := remains.search(text.casefold())) and not found:",
        "test_a_name_in_the_workflow_id_is_refused",
    ),
    mutant(
        "geschwaerzt-und-nicht-abgespielt",
        "replay_test_in_ci/export.py",
        "if before != after:",
        "if before != before:",
        "test_redaction_that_changes_a_branch_is_refused",
    ),
    mutant(
        "verweigert-und-trotzdem-gruen",
        "replay_test_in_ci/export.py",
        "    if refused:\n        return 1\n",
        "",
        "test_redaction_that_changes_a_branch_is_refused",
    ),
    mutant(
        "run-id-aus-dem-ersten-event",
        "replay_test_in_ci/export.py",
        "write(folder, execution.run_id, safe)",
        "write(folder, history.run_id, safe)",
        "test_after_a_reset_only_the_execution_knows_its_run_id",
    ),
    mutant(
        "leer-ist-gruen",
        "replay_test_in_ci/check.py",
        "        return 2\n",
        "        return 0\n",
        "test_nothing_to_replay_is_never_green",
    ),
    mutant(
        "abweichung-ist-gruen",
        "replay_test_in_ci/check.py",
        "return 1 if bad else 0",
        "return 0",
        "test_a_removed_workflow_type_is_red",
    ),
    mutant(
        "ein-event-zu-weit",
        "replay_test_in_ci/replaying.py",
        "event = history.events[fails - 1]",
        "event = history.events[fails]",
        "test_the_first_differing_event_is_named",
    ),
    mutant(
        "schraegstrich-im-dateinamen",
        "replay_test_in_ci/files.py",
        "[^A-Za-z0-9._-]",
        "[^A-Za-z0-9._/-]",
        "test_file_names_are_safe_for_any_workflow_id",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel08"
    file = "test_replay_test_in_ci.py"
    mutants = MUTANTS

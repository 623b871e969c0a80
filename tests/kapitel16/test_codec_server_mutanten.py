"""Mutanten des Musters `codec_server`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "jedes-token-gilt",
        "codec_server/people.py",
        "if compare_digest(person.token_hash, hash_token(token)):",
        "if compare_digest(person.token_hash, person.token_hash):",
        "test_only_the_exact_token_counts",
    ),
    mutant(
        "hoert-beim-ersten-treffer-auf",
        "codec_server/people.py",
        "                found = person\n",
        "                return person\n",
        "test_every_token_is_compared",
    ),
    mutant(
        "token-im-klartext",
        "codec_server/people.py",
        "return sha256(token.encode()).hexdigest()",
        "return token",
        "test_the_file_holds_no_token_and_only_its_owner_reads_it",
    ),
    mutant(
        "ohne-rechte",
        "codec_server/server.py",
        "if codec is None or not person.may(right, namespace):",
        "if codec is None:",
        "test_refused",
    ),
    mutant(
        "wer-liest-schreibt-auch",
        "codec_server/server.py",
        "self._route(Right.WRITE, encode)",
        "self._route(Right.READ, encode)",
        "test_refused",
    ),
    mutant(
        "unlesbares-haelt-alles-auf",
        "codec_server/server.py",
        "        return payload\n",
        "        raise\n",
        "test_what_cannot_be_opened_stays_as_it_is",
    ),
    mutant(
        "stern-statt-adresse",
        "codec_server/server.py",
        "allow_origins=list(origins),",
        'allow_origins=["*"],',
        "test_no_other_page_may_ask",
    ),
    mutant(
        "ohne-authorization-im-preflight",
        "codec_server/server.py",
        '"authorization", "authorization-extras")',
        '"authorization-extras")',
        "test_the_web_ui_may_ask",
    ),
    mutant(
        "ohne-grenze",
        "codec_server/server.py",
        "if len(body) > self._max_body_bytes:",
        "if False:",
        "test_a_body_over_the_limit_is_refused_before_it_is_read",
    ),
    mutant(
        "protokoll-mit-inhalt",
        "codec_server/server.py",
        'text = "Erwartet werden Payloads als JSON."',
        "text = str(body)\n        audit.warning(text)",
        "test_the_log_says_who_asked_and_nothing_else",
    ),
    mutant(
        "andere-zahl-von-payloads",
        "codec_server/server.py",
        "zip(given, found, strict=True)",
        "zip(given, found)",
        "test_a_codec_that_answers_another_number_is_an_error_not_an_answer",
    ),
    mutant(
        "im-netz-ohne-tls",
        "codec_server/server.py",
        "if options.zertifikat is None:",
        "if False:",
        "test_other_addresses_need_tls_and_tokens",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel16"
    file = "test_codec_server.py"
    mutants = MUTANTS

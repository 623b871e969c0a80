"""Mutanten des Musters `kompression`."""

from mutanten import MutantTests, mutant

CODEC = "kompression/codec.py"
MUTANTS = [
    mutant(
        "packt-unbegrenzt-aus",
        CODEC,
        "content = unzip.decompress(payload.data, limit)",
        "content = unzip.decompress(payload.data)",
        "test_a_bomb_is_not_unpacked",
    ),
    mutant(
        "prueft-erst-danach",
        CODEC,
        "content = unzip.decompress(payload.data, limit)",
        "content = unzip.decompress(payload.data)\n        if len(content) > limit:\n"
        "            unzip = zlib.decompressobj()\n            unzip.decompress(payload.data, limit)",
        "test_a_bomb_costs_no_more_memory_than_the_limit",
    ),
    mutant(
        "bombe-wird-abgeschnitten",
        CODEC,
        "if unzip.unconsumed_tail:",
        "if False:",
        "test_a_bomb_is_not_unpacked",
    ),
    mutant(
        "abgeschnittenes-gilt-als-ganz",
        CODEC,
        "if not unzip.eof:",
        "if False:",
        "test_damage_is_reported",
    ),
    mutant(
        "komprimiert-auch-kleines",
        CODEC,
        "if size < at_least:",
        "if False:",
        "test_below_the_threshold_nothing_happens",
    ),
    mutant(
        "laesst-wachsen",
        CODEC,
        "return packed if packed.ByteSize() < size else payload",
        "return packed",
        "test_what_does_not_shrink_stays_as_it_is",
    ),
    mutant(
        "schickt-was-niemand-auspackt",
        CODEC,
        "if size > limit:",
        "if False:",
        "test_what_nobody_could_unpack_is_refused_by_the_sender",
    ),
    mutant(
        "lehnt-altes-ab",
        CODEC,
        'if payload.metadata.get("encoding") != ENCODING:',
        "if False:",
        "test_old_histories_without_compression_still_replay",
    ),
    mutant(
        "kette-nicht-umgekehrt",
        CODEC,
        "for codec in reversed(self._codecs):",
        "for codec in self._codecs:",
        "test_the_chain_decodes_in_reverse_order",
    ),
    mutant(
        "blockiert-die-event-loop",
        CODEC,
        "if payload.ByteSize() < _WORTH_A_THREAD:",
        "if True:",
        "test_large_payloads_leave_the_event_loop_free",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel16"
    file = "test_kompression.py"
    mutants = MUTANTS

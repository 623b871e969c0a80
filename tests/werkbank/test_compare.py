"""Zwei Läufe vergleichen: Paare, Urteile, Satz und Darstellungen, an erfundenen und an aufgezeichneten Läufen."""

import io
import random
import re
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from dauerlauf.compare import (
    Aspect,
    Comparison,
    Pair,
    Side,
    Verdict,
    compare,
    compare_files,
    compare_named,
    compare_recorded,
    html,
    summary,
    table,
)
from dauerlauf.compare.align import joined
from dauerlauf.compare.lcs import common
from dauerlauf.compare.references import References, leaves
from dauerlauf.compare.words import ALIKE, MOST, stretches
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import Step, StepKind, steps
from dauerlauf.scenario import find_pattern
from dauerlauf.timeline import Row, rows

MIRRORED = {Verdict.LEFT: Verdict.RIGHT, Verdict.RIGHT: Verdict.LEFT}


class Run:
    """Baut einen Lauf, Schritt für Schritt."""

    def __init__(self, order: str = "order_id: „B-1“") -> None:
        self.steps: list[Step] = []
        self.clock = timedelta(0)
        self.add(StepKind.STARTED, "Workflow Order startet", actor="client", name="Order", detail=order)

    def add(self, kind: StepKind, title: str, **values: object) -> int:
        number = len(self.steps) + 1
        values.setdefault("actor", "workflow")
        self.steps.append(Step(number, kind, kind.name, self.clock, title=title, **values))  # type: ignore[arg-type]
        return number

    def wait(self, seconds: float) -> "Run":
        self.clock += timedelta(seconds=seconds)
        return self

    def activity(
        self,
        name: str,
        result: str = "",
        *,
        takes: float = 0,
        attempt: int = 1,
        failure: str = "",
        by: str = "worker-1",
    ) -> "Run":
        opened = self.add(StepKind.ACTIVITY_SCHEDULED, f"{name} beauftragt", name=name)
        self.wait(takes)
        values = {"name": name, "actor": name, "attempt": attempt, "caused_by": opened, "identity": by}
        self.add(StepKind.ACTIVITY_STARTED, f"{name} gestartet", **values)
        kind = StepKind.ACTIVITY_FAILED if failure else StepKind.ACTIVITY_COMPLETED
        word = "gescheitert" if failure else "erledigt"
        self.add(kind, f"{name} {word}", detail=failure or result, failure=failure, **values)
        return self

    def timer(self, seconds: float) -> "Run":
        values = {"name": "1", "duration": timedelta(seconds=seconds)}
        opened = self.add(StepKind.TIMER_STARTED, "Timer gestellt", **values)
        self.wait(seconds)
        self.add(StepKind.TIMER_FIRED, "Timer abgelaufen", actor="timer", caused_by=opened, **values)
        return self

    def crash(self, old: str, new: str) -> "Run":
        self.add(StepKind.CRASH, f"{old} antwortet nicht", identity=old, actor="server")
        self.add(StepKind.TAKEOVER, f"{new} übernimmt", identity=new)
        return self

    def signal(self, name: str) -> "Run":
        self.add(StepKind.SIGNAL, f"Signal {name}", actor="client", name=name)
        return self

    def done(self, result: str = "") -> "Run":
        self.add(StepKind.COMPLETED, "Workflow fertig", detail=result)
        return self

    def side(self, name: str = "lauf") -> Side:
        return Side(name, self.steps)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    run = Run(draw(st.sampled_from(["order_id: „B-1001“", "order_id: „B-1002“, cents: 4990", ""])))
    for _ in range(draw(st.integers(0, 9))):
        match draw(st.integers(0, 5)):
            case 0 | 1:
                run.activity(
                    draw(st.sampled_from("abc")),
                    draw(st.sampled_from(["", "1", "2", "„L-9a4f9755“", "„L-27c894f3“", "„B-1001.txt“"])),
                    takes=draw(st.sampled_from([0, 0, 3, 5])),
                    attempt=draw(st.integers(1, 2)),
                    failure=draw(st.sampled_from(["", "", "Kaputt"])),
                    by=draw(st.sampled_from(["worker-1", "worker-2"])),
                )
            case 2:
                run.timer(draw(st.sampled_from([60, 120])))
            case 3:
                run.wait(draw(st.sampled_from([2, 30])))
            case 4:
                run.signal(draw(st.sampled_from("xy")))
            case _:
                run.crash("worker-1", "worker-2")
    return run.done() if draw(st.booleans()) else run


def lines(side: Side) -> list[Row]:
    return joined(rows(side.steps, side.legend, fold=False))


def lefts(comparison: Comparison) -> list[Row]:
    return [pair.left for pair in comparison.pairs if pair.left]


def rights(comparison: Comparison) -> list[Row]:
    return [pair.right for pair in comparison.pairs if pair.right]


# -- Eigenschaften


@given(runs(), runs())
@settings(max_examples=80, deadline=None)
def test_jede_seite_ergibt_ihren_lauf(left: Run, right: Run) -> None:
    found = compare(left.side(), right.side())
    assert lefts(found) == lines(left.side())
    assert rights(found) == lines(right.side())


@given(runs())
@settings(max_examples=40, deadline=None)
def test_mit_sich_selbst_verglichen_ist_alles_gleich(run: Run) -> None:
    found = compare(run.side(), run.side())
    assert {pair.verdict for pair in found.pairs} == {Verdict.EQUAL}
    assert summary(found) == "Beide Läufe tun dasselbe."


def seen(pairs: tuple[Pair, ...], *, mirrored: bool) -> Counter[object]:
    result: Counter[object] = Counter()
    for pair in pairs:
        sides = (pair.right, pair.left) if mirrored else (pair.left, pair.right)
        verdict = MIRRORED.get(pair.verdict, pair.verdict) if mirrored else pair.verdict
        texts = [(d.aspect, d.right, d.left) if mirrored else (d.aspect, d.left, d.right) for d in pair.differences]
        result[*sides, verdict, *texts] += 1
    return result


@given(runs(), runs())
@settings(max_examples=80, deadline=None)
def test_vertauschte_seiten_vertauschen_die_urteile(left: Run, right: Run) -> None:
    there, back = compare(left.side(), right.side()), compare(right.side(), left.side())
    assert seen(there.pairs, mirrored=True) == seen(back.pairs, mirrored=False)


def test_vertauschte_reihenfolge_wird_von_beiden_seiten_gleich_gesehen() -> None:
    one, other = Run().signal("x").signal("y"), Run().signal("y").signal("x")
    there, back = compare(one.side(), other.side()), compare(other.side(), one.side())
    assert Counter(pair.verdict for pair in there.pairs) == {Verdict.EQUAL: 2, Verdict.LEFT: 1, Verdict.RIGHT: 1}
    assert seen(there.pairs, mirrored=True) == seen(back.pairs, mirrored=False)


@given(runs(), runs())
@settings(max_examples=40, deadline=None)
def test_gefaltet_geht_kein_paar_verloren(left: Run, right: Run) -> None:
    found = compare(left.side(), right.side())
    assert [pair for stretch in stretches(found.pairs) for pair in stretch.pairs] == list(found.pairs)


def slow_length(left: list[int], right: list[int]) -> int:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


SHORT = st.lists(st.integers(0, 3), max_size=14)


@given(SHORT, SHORT)
@settings(max_examples=120, deadline=None)
def test_die_gemeinsame_teilfolge_ist_die_laengste(left: list[int], right: list[int]) -> None:
    found = common(left, right)
    assert all(left[i] == right[j] for i, j in found)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(found))
    assert len(found) == slow_length(left, right)


# -- Was ein Unterschied ist


def verdicts(left: Run, right: Run) -> list[str]:
    found = compare(left.side(), right.side())
    return [
        " ".join([pair.row.title, pair.verdict, *(d.aspect for d in pair.differences)])
        for pair in found.pairs
        if pair.verdict is not Verdict.EQUAL
    ]


def test_eine_verzoegerung_verschiebt_nur() -> None:
    left = Run().activity("a").activity("b").done()
    right = Run().activity("a").wait(40).activity("b").wait(0.4).activity("c").done()
    assert verdicts(left, right) == ["40 s später nur rechts", "c nur rechts"]


def test_wartezeiten_und_timer_werden_gemessen() -> None:
    assert verdicts(Run().wait(5).activity("a"), Run().wait(5.9).activity("a")) == []
    assert verdicts(Run().wait(5).activity("a"), Run().wait(6).activity("a")) == ["5 s später anders Dauer"]
    assert verdicts(Run().timer(60), Run().timer(90)) == ["Timer: 1 min warten anders Dauer"]


def test_ein_zweiter_versuch_ist_derselbe_schritt() -> None:
    left, right = Run().activity("a", "1").done(), Run().activity("a", "1", takes=3, attempt=2).done()
    assert verdicts(left, right) == ["a anders Versuche Dauer"]
    assert verdicts(Run().activity("a", takes=3), Run().activity("a", takes=3.5)) == []


def test_ausgang_und_ergebnis() -> None:
    assert verdicts(Run().activity("a", "1"), Run().activity("a", "2")) == ["a anders Ergebnis"]
    assert verdicts(Run().activity("a", "1"), Run().activity("a", failure="Kaputt")) == ["a anders Ausgang"]
    assert verdicts(Run().activity("a", failure="Teuer"), Run().activity("a", failure="Kaputt")) == ["a anders Fehler"]


def test_jedes_ende_eines_child_workflows_ist_ein_ausgang() -> None:
    def child(kind: StepKind, word: str) -> Run:
        run = Run()
        opened = run.add(StepKind.CHILD_INITIATED, "Child Workflow Pack beauftragt", name="Pack")
        run.add(kind, f"Child Workflow Pack {word}", name="Pack", actor="child", caused_by=opened)
        return run.done()

    done = child(StepKind.CHILD_COMPLETED, "fertig").side()
    pairs = compare(done, child(StepKind.CHILD_FAILED, "abgebrochen").side()).pairs
    assert [(d.aspect, d.left, d.right) for d in pairs[1].differences] == [(Aspect.OUTCOME, "fertig", "abgebrochen")]


def test_gleicher_ausgang_wird_zuerst_gepaart() -> None:
    left, right = Run().activity("a", failure="Kaputt").activity("a", "1"), Run().activity("a", "1")
    assert verdicts(left, right) == ["a nur links"]
    assert compare(left.side(), right.side()).pairs[1].left == lines(left.side())[1]


def test_der_worker_zaehlt_wo_er_wechselt() -> None:
    left = Run().activity("a").activity("b").activity("c").done()
    moved = Run().activity("a").activity("b", by="worker-2").activity("c", by="worker-2").done()
    assert verdicts(left, moved) == ["b anders Worker"]
    taken = Run().activity("a").crash("worker-1", "worker-2").activity("b", by="worker-2").activity("c", by="worker-2")
    assert verdicts(left, taken.done()) == ["worker-1 antwortet nicht nur rechts", "worker-2 übernimmt nur rechts"]
    renamed = Run().activity("a", by="7@x").activity("b", by="7@x").activity("c", by="7@x").done()
    assert verdicts(left, renamed) == []


def test_folgen_der_eingabe_sind_kein_unterschied() -> None:
    left = Run("cents: 4990, order_id: „B-1001“").activity("a", "„B-1001.txt“").done("cents: 4990, file: „B-1001.txt“")
    right = Run("cents: 1205, order_id: „B-1002“").activity("a", "„B-1002.txt“").done("cents: 1205, file: „B-1002.txt“")
    found = compare(left.side(), right.side())
    assert [(pair.row.title, pair.differences[0].left, pair.differences[0].right) for pair in found.pairs[:1]] == [
        ("Workflow Order startet", "cents: 4990, order_id: „B-1001“", "cents: 1205, order_id: „B-1002“")
    ]
    assert {pair.verdict for pair in found.pairs[1:]} == {Verdict.EQUAL}
    assert summary(found) == "Beide Läufe tun dasselbe, nur mit anderer Eingabe."


def test_zahlen_fuer_sich_sind_nie_folge_der_eingabe() -> None:
    for one, other in (("quantity: 1", "quantity: 2"), ("1", "2")):
        left, right = Run(one).activity("a", "1"), Run(other).activity("a", "2")
        assert verdicts(left, right) == ["Workflow Order startet anders Eingabe", "a anders Ergebnis"]


def test_kennungen_entsprechen_einander_oder_nicht() -> None:
    left = Run().activity("a", "„L-27c894f3“").activity("b", "„L-27c894f3“").done()
    assert verdicts(left, Run().activity("a", "„L-9a4f9755“").activity("b", "„L-9a4f9755“").done()) == []
    rolled = Run().activity("a", "„L-9a4f9755“").activity("b", "„L-00aa11bb“").done()
    assert verdicts(left, rolled) == ["b anders Ergebnis"]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("L-27c894f3", "L-9a4f9755", True),
        ("R-20170eca", "R-31181fdb", True),
        ("123e4567-e89b-42d3-a456-426614174000", "00000000-e89b-42d3-a456-426614174000", True),
        ("2026-11-20", "2026-11-21", False),
        ("fassade", "kaskade", False),
        ("97850", "12345", False),
        ("12345678", "87654321", False),
        ("L-27c894f3", "Z-27c894f4", False),
    ],
)
def test_was_als_erzeugte_kennung_gilt(left: str, right: str, same: bool) -> None:
    assert References("", "").same(f"„{left}“", f"„{right}“") is same


def test_zwei_schritte_duerfen_dieselbe_nummer_tragen() -> None:
    left, right = Run().activity("a", "1").signal("x"), Run().activity("a", "1").signal("x")
    for run, answer in ((left, "„offen“"), (right, "„bezahlt“")):
        for place in (4, 2):
            asked = replace(run.steps[-1], number=place, kind=StepKind.OTHER, title="Abfrage", detail=answer)
            run.steps.insert(place, asked)
    assert verdicts(left, right) == ["Abfrage anders Ergebnis"] * 2


def test_andere_workflows_am_anfang_sind_gewollt() -> None:
    left, right = Run().activity("a").done(), Run().activity("a").done()
    right.steps[0] = replace(right.steps[0], name="Order2", title="Workflow Order2 startet")
    found = compare(left.side(), right.side())
    assert [d.aspect for d in found.pairs[0].differences] == [Aspect.NAME]
    assert summary(found).startswith("Beide Läufe tun dasselbe")


# -- Aufgezeichnete Läufe


def recorded(pattern: str, left: str, right: str) -> Comparison:
    found = find_pattern(pattern)
    return compare_recorded(found.find(left), found.find(right))


def test_die_saga_trennt_sich_beim_versand() -> None:
    found = recorded("saga", "glatt", "versand-scheitert")
    assert [(pair.row.title, str(pair.verdict)) for pair in found.pairs] == [
        ("Workflow OrderWorkflow startet", "anders"),
        ("reserve_stock", "gleich"),
        ("charge_payment", "gleich"),
        ("register_parcel", "anders"),
        ("write_invoice", "nur links"),
        ("send_confirmation", "nur links"),
        ("Suchattribut SagaStatus", "nur rechts"),
        ("cancel_parcel", "nur rechts"),
        ("refund_payment", "nur rechts"),
        ("release_stock", "nur rechts"),
        ("Suchattribut SagaStatus", "nur rechts"),
        ("Workflow fertig", "anders"),
    ]
    assert [d.aspect for d in found.pairs[3].differences] == [Aspect.OUTCOME]
    assert summary(found) == (
        "Bis charge_payment gleich; register_parcel ist in „glatt“ erledigt, in „versand-scheitert“ gescheitert; "
        "danach 2 Schritte nur in „glatt“ und 5 Schritte nur in „versand-scheitert“ (3 Kompensationen); "
        "am Ende in „glatt“: Workflow fertig, in „versand-scheitert“: Workflow gescheitert."
    )


def test_der_absturz_kostet_drei_zeilen() -> None:
    found = recorded("absturz_und_weiter", "ohne-absturz", "absturz-zwischen-den-schritten")
    only = [pair.row.title for pair in found.pairs if pair.verdict is Verdict.RIGHT]
    assert only == ["1 s später", "worker-1 antwortet nicht", "worker-2 übernimmt"]
    assert {pair.verdict for pair in found.pairs[-3:]} == {Verdict.EQUAL}


def test_der_gewuerfelte_schluessel_zeigt_sich_nur_im_ergebnis() -> None:
    found = recorded("idempotenz_schluessel", "tod-nach-der-erstattung", "gewuerfelt")
    different = [(pair.row.title, pair.differences) for pair in found.pairs[1:] if pair.differences]
    assert [(title, [(d.aspect, d.left, d.right) for d in found]) for title, found in different] == [
        ("refund_payment", [(Aspect.RESULT, "1", "2")]),
        ("Workflow fertig", [(Aspect.RESULT, "refund: 1", "refund: 2")]),
    ]


@pytest.mark.parametrize(
    ("pattern", "left", "right", "text"),
    [
        (
            "hallo",
            "bestaetigung",
            "meldung-verloren",
            "confirm_order unterscheidet sich (Versuche: 1 / 2, Dauer",
        ),
        ("lokale_activity", "lokal", "gewoehnlich", "(Art: Local Activity / Activity); danach 8 Schritte anders"),
        (
            "activity_auswahl",
            "drei-wege",
            "nacheinander",
            "während book_letter läuft; danach 3 Schritte anders; beide enden",
        ),
        ("lokale_activity", "lokal", "ausfall", "Bis look_up_price gleich; nur in „ausfall“: draw_number; danach 3"),
    ],
)
def test_der_satz_nennt_die_stelle(pattern: str, left: str, right: str, text: str) -> None:
    assert text in summary(recorded(pattern, left, right))


def test_laufend_gegen_fertig() -> None:
    left, right = Run().activity("a"), Run().activity("a").wait(3).done()
    found = compare(left.side("alt"), right.side("neu"))
    assert summary(found) == ("Bis a gleich; am Ende in „alt“: läuft noch, in „neu“: Workflow fertig.")
    assert summary(compare(Run().signal("x").side("alt"), Run().side("neu"))) == (
        "Von Anfang an verschieden; nur in „alt“: Signal x; beide laufen noch."
    )


def test_beide_enden_gleich_oder_mit_anderem() -> None:
    def ending(one: Run, other: Run) -> str:
        return summary(compare(one.side(), other.side())).rpartition("; ")[2]

    assert ending(Run().signal("x").done("1"), Run().done("1")) == "beide enden gleich: Workflow fertig."
    assert ending(Run().done("1"), Run().done("2")) == "beide enden: Workflow fertig, aber mit anderem Ergebnis."
    runs = [Run(), Run()]
    for run, reason in zip(runs, ("Teuer", "Kaputt"), strict=True):
        run.add(StepKind.FAILED, "Workflow gescheitert", detail=reason, failure=reason)
    assert ending(*runs) == "beide enden: Workflow gescheitert, aber mit anderem Fehler."


# -- Woher die Läufe kommen


def test_laeufe_verschiedener_muster() -> None:
    found = compare_named(["saga/glatt", "idempotenz_schluessel/glatt"])
    assert (found.left.name, found.right.name) == ("saga/glatt", "idempotenz_schluessel/glatt")


def test_dateien_heissen_wie_sie_liegen(tmp_path: Path) -> None:
    source = find_pattern("saga").history_file("glatt").read_bytes()
    for name in ("alt", "neu"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lauf.json").write_bytes(source)
    found = compare_files(tmp_path / "alt/lauf.json", tmp_path / "neu/lauf.json")
    assert (found.left.name, found.right.name) == (str(tmp_path / "alt/lauf.json"), str(tmp_path / "neu/lauf.json"))
    assert summary(found) == "Beide Läufe tun dasselbe."


def test_zweimal_derselbe_lauf_ist_ein_irrtum() -> None:
    with pytest.raises(DauerlaufError, match="zweimal der Lauf „glatt“"):
        recorded("saga", "glatt", "glatt")


# -- Darstellungen


def printed(found: Comparison, *, full: bool = False, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table(found, full=full))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_die_tabelle_faltet_und_kuerzt_nur_ohne_voll() -> None:
    found = recorded("saga", "glatt", "versand-scheitert")
    short, full = printed(found), printed(found, full=True)
    assert "⋮ 2 gleiche Schritte" in short
    assert "L-27c894f3" not in short.split("register_parcel")[0]
    assert "L-27c894f3" in full.split("register_parcel")[0]
    assert "⋮" not in full
    assert "…" not in full
    for text in (short, full):
        assert all(len(line) <= 80 for line in text.splitlines())
        assert {"anders: Ausgang", "nur links", "nur rechts"} <= set(re.findall(r"anders: \w+|nur \w+", text))


def test_wiederholte_unterschiede_stehen_einmal_da() -> None:
    names = ["a"] * (ALIKE + 3)
    right = Run()
    for name in names:
        right.activity(name)
    titles = [stretch.title for stretch in stretches(compare(Run().side(), right.side()).pairs)]
    assert titles == ["", "", f"{ALIKE + 2} weitere ebenso: a"]


def test_die_abbildung_ist_eine_liste_mit_worten() -> None:
    found = recorded("saga", "glatt", "versand-scheitert")
    page = html(found, title="Zwei <Läufe>")
    assert page.startswith('<figure class="dl-vergleich')
    assert "<figcaption>Zwei &lt;Läufe&gt;</figcaption>" in page
    assert page.count("<details>") == 1
    assert "<script" not in page
    plain = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<wbr>", "", page, flags=re.DOTALL)
    items = [re.sub(r"<[^>]+>", " ", item) for item in plain.split("<li")[1:]]
    verdicts = [re.findall(r"anders: \w+|nur links|nur rechts|gleich(?=\s)", item)[:1] for item in items]
    assert [v[0] for v in verdicts if v].count("nur rechts") == 5
    # Jede Seite nennt ihren Lauf, auch wer die Spalten nicht sieht; eine leere Seite sagt nichts.
    parcel = next(item for item in items if "cancel_parcel" in item)
    assert "versand-scheitert:" in parcel
    assert "glatt:" not in parcel.replace("versand-scheitert:", "")


def test_lange_ergebnisse_zeigen_nur_was_anders_ist() -> None:
    long = ", ".join(f"feld{i}: {i}" for i in range(40))
    found = compare(Run().done(f"{long}, ende: 1").side(), Run().done(f"{long}, ende: 2").side())
    page = html(found, title="x")
    assert "… ende: 1" in page
    assert "… ende: 2" in page
    assert "feld3: 3" not in page


def test_ein_vergleich_zeigt_sich_selbst() -> None:
    found = recorded("saga", "glatt", "versand-scheitert")
    assert found._repr_html_().startswith('<figure class="dl-vergleich')
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(found)
    assert "Bis charge_payment gleich" in console.file.getvalue()  # type: ignore[attr-defined]


# -- Größe


def signals(events: int, seed: int) -> WorkflowHistory:
    """Ein Lauf aus lauter Signalen, die sich nie in derselben Reihenfolge wiederholen: jedes Event eine Zeile."""
    chance = random.Random(seed)
    history = [HistoryEvent(event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)]
    history[0].workflow_execution_started_event_attributes.workflow_type.name = "Lang"
    for number in range(2, events + 1):
        event = HistoryEvent(event_id=number, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
        attributes = event.workflow_execution_signaled_event_attributes
        attributes.signal_name = chance.choice("abcdefgh")
        payload = Payload(metadata={"encoding": b"json/plain"}, data=b'{"number": "N-1", "cents": %d}' % number)
        attributes.input.payloads.append(payload)
        history.append(event)
    return WorkflowHistory("lang", history)


def test_zehntausend_gegen_zehntausend_events_unter_drei_sekunden() -> None:
    histories = [signals(10_000, seed) for seed in (1, 2)]
    # Rechenzeit statt Uhrzeit: Was nebenher auf der Maschine läuft, zählt nicht.
    started = time.process_time()
    found = compare(*(Side(f"lauf-{i}", steps(history)) for i, history in enumerate(histories)))
    page = html(found, title="Lang")
    seconds = time.process_time() - started
    assert seconds < 3
    assert len(lefts(found)) == len(rights(found)) == 10_000
    assert Counter(pair.verdict for pair in found.pairs)[Verdict.DIFFERENT] > 4_000
    assert page.count("<li") <= MOST * (ALIKE + 8)
    assert "weitere Schritte</li>" in page


def test_groessen_und_zusammenfassungen_bleiben_ganz() -> None:
    text = "IBAN von Jörg Weiß prüfen; holder: „Jörg Weiß“, cents: 100"
    assert leaves(text) == {
        ("", 0): "IBAN von Jörg Weiß prüfen",
        ("holder", 0): "„Jörg Weiß“",
        ("cents", 0): "100",
    }
    assert list(leaves("verschlüsselt (95 Byte); verschlüsselt (1,5 KiB)").values()) == [
        "verschlüsselt (95 Byte)",
        "verschlüsselt (1,5 KiB)",
    ]

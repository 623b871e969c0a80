"""Die Bausteine der Buchseiten: eine Python-Markdown-Erweiterung, die MkDocs und Zensical gleich lesen.

Eine Direktive steht allein auf ihrer Zeile, darf in Call-outs und Listen eingerückt sein und hat die Form
``::: name ziel "Text" schalter schlüssel="Wert"``. In „Text“ gilt Inline-Markdown; ein gerades
Anführungszeichen schreibt man darin als ``\\"``. Was eine Direktive nicht erfüllen kann (Datei fehlt,
Abschnitt fehlt, Option unbekannt ...), bricht den Bau ab und nennt Seite und Zeile.

``::: listing kapitel07/saga/workflow.py#buchen "Kompensation vor dem Schritt vormerken"``
    Ein Ausschnitt einer getesteten Datei als „Listing N“ mit Dateiname und Bildunterschrift. Der Pfad beginnt
    mit dem Paket des Kapitels (``kapitel07/...`` meint ``examples/kapitel07/kapitel07/...``) oder im
    Projektverzeichnis (``examples/``, ``notebooks/``, ``src/``, ``tests/``). Der Teil nach ``#`` ist ein
    Abschnitt der Datei; ohne ihn erscheint die ganze Datei. Höchstens 25 Zeilen; Zeilennummern gibt es nicht.

    In der Quelle::

        # --8<-- [start:buchen]
        rueckweg.append(Storno(...))  # (!)
        await workflow.execute_activity(...)  # (1)
        # --8<-- [end:buchen]

    Die Marken-Zeilen erscheinen nie auf der Seite; Abschnitte dürfen ineinander liegen. Steht derselbe Name
    mehrmals in der Datei, werden die Teile mit einer Zeile „# …“ verbunden. ``# (!)`` am Zeilenende hebt
    die Zeile hervor und wird nicht gezeigt. Soll ein anderes Listing dieselben Zeilen anders betonen, bekommt
    die Marke einen Namen: ``# (!rueckweg)``, auf der Seite ``hervorheben="rueckweg"``;
    ``hervorheben="nichts"`` schaltet ab.

    ``# (1)``, ``# (2)`` ... werden zu Nummern am Zeilenende, wenn das Listing den Schalter ``anmerkungen`` trägt.
    Dann muss direkt danach eine nummerierte Liste mit genau so vielen Punkten stehen.
    Der Schalter ``falsch`` kennzeichnet Code, den man nicht schreiben soll („Falsch: so nicht“).

    Anker des Listings: ``listing-<abschnitt>`` (ohne Abschnitt: ``listing-<datei>``), beim zweiten Mal mit
    ``-2``. Ein Verweis mit leerem Text, ``[](#listing-buchen)``, wird auf derselben Seite zu „Listing 3“.

``::: lauf saga/zahlung-scheitert "Bildunterschrift"``
    Das Bild einer aufgezeichneten Event History (Muster/Szenario) als „Bild N“, Anker ``lauf-<szenario>``; auch
    hier geht der Verweis ``[](#lauf-zahlung-scheitert)``.

``::: vergleich saga/glatt saga/versand-scheitert "Bildunterschrift"``
    Zwei aufgezeichnete Läufe nebeneinander, auch verschiedener Muster, ebenfalls als „Bild N“; Anker
    ``vergleich-<szenario>-<szenario>``. Die Urteile und der Satz darüber entstehen aus den Aufzeichnungen.

``::: spieler saga/glatt "Bildunterschrift"``
    Derselbe Lauf zum Durchgehen, gezählt und verankert wie ``::: lauf``: Quelltext mit der leuchtenden Zeile, Bild,
    Variablen des Workflows und Event History, Schritt für Schritt; dazu die aufgezeichneten Abstürze desselben
    Szenarios. Ohne JavaScript und auf Papier erscheint das Bild. Die Direktive bringt ihr Skript und ihr Stylesheet
    mit, einmal je Seite; andere Seiten laden beides nicht.

``::: aufgabe 7.2``
    Eine Übung: Nummer, Titel, Stufe, Ziel, Text, der Befehl ``uv run dauerlauf uebe 7.2``, drei Tipps und die Lösung
    mit ihrer Erklärung zum Aufklappen. Alles kommt aus dem Ordner der Übung; statt der Nummer geht ihr
    Name (``kompensation-vormerken``). Anker ``aufgabe-7-2``. Im Text einer
    Übung steht Code um vier Leerzeichen eingerückt, nicht zwischen Zäunen.

``::: aufgaben``
    Die Tabelle aller Übungen mit Verweis auf ihre Seite; jede muss mit ihrer Nummer auf einer stehen.

``::: kosten saga`` oder ``::: kosten saga/glatt saga/zahlung-scheitert``
    Tabelle mit Events, Workflow-Tasks, Activity-Versuchen und Größe der aufgezeichneten Historien, beim Bau gezählt.

``::: notebook kapitel07``
    Das ausgeführte Notebook aus ``.notebooks/kapitel07.md`` (schreibt ``uv run dauerlauf notebooks``).
    Seine Überschriften bekommen Anker ``notebook-...``.

``::: beweis tests/kapitel07/test_saga.py::test_abbruch "Ein Abbruch gleicht alles aus."``
    Call-out „Beweis“: Aussage, Befehl zum Nachprüfen und der Quelltext des Tests zum Aufklappen. Datei und Funktion
    müssen existieren; ``datei::Klasse::test`` geht auch.

``::: frage saga-rueckweg``
    Eine Frage aus ``book/fragen/`` mit Rückmeldung zu jeder Antwort; die Begründung steht zugeklappt darunter. Wie man
    eine schreibt, sagt CONTRIBUTING.md. Auch sie bringt Skript und Stylesheet einmal je Seite mit.

``::: wiederholung``
    Drei Fragen aus früheren Kapiteln, immer dieselben; steht auf ``kapitelNN/index.md`` am Anfang.

``::: katalog`` und ``::: glossar``
    Verzeichnis aller Seiten mit Muster-Kopf und das Glossar aus ``book/glossar.yml``.

``::: fehlerlexikon`` und ``::: meldung deadlock``
    Verzeichnis aller Seiten unter ``book/fehler/`` und der Wortlaut der Meldungen eines Eintrags (Name der Seite).

Der Kopf eines Eintrags im Fehlerlexikon (alle Felder nötig)::

    ---
    title: Deadlock im Workflow
    meldungen:
      - text: "[TMPRL1101] Potential deadlock detected …"
        ort: Log des Workers, Event History
    ursache: Der Workflow gibt zu lange nicht ab.
    reproduziert: tests/fehler/test_fehlerlexikon.py::test_deadlock
    repariert: tests/fehler/test_fehlerlexikon.py::test_deadlock_repariert
    rang: 8
    ---

Der Wortlaut steht nur dort; der Test aus ``reproduziert`` vergleicht ihn mit der wirklichen Meldung, wobei ``…`` auf
jeden Text passt.

Der Kopf einer Musterseite (alle Felder nötig, sobald ``problem`` dasteht)::

    ---
    title: Saga
    problem: Ein Ablauf über mehrere Dienste scheitert in der Mitte.
    kategorie: Resilienz
    stufe: F
    kapitel: 7
    beispiel: kapitel07/saga
    test: tests/kapitel07/test_saga.py
    rang: 8
    ---

``rang`` ist die Stelle der Seite in ihrem Kapitel (Navigation und Katalog; ohne Angabe nach Titel am Ende); ``title``
und ``rang`` gelten für alle Seiten. Kategorien stehen in ``dauerlauf.book.catalogue.CATEGORIES``, Stufen sind G, F
und P. Die geprüften Versionen stehen nicht im Kopf: Der Katalog liest sie aus den installierten Paketen.

Ausgaben: ``<!-- ausgabe: dauerlauf zeige saga glatt -->`` und direkt danach ein Zaun ```` ```text ````. Das
Paar erscheint als Terminal mit kopierbarem Befehl ``uv run dauerlauf zeige saga glatt``; gefüllt und verglichen
wird es von ``dauerlauf ausgaben``. Ein Zaun ```` ```console ```` zeigt einen Befehl allein.

Call-outs: ``!!! tipp``, ``hinweis``, ``achtung``, ``lernziel``, ``irrtum`` (aufklappbar mit ``???``), jeweils mit
eigenem Titel in Anführungszeichen; die Art steht immer als Wort davor.
"""

from __future__ import annotations

from typing import Any

from markdown import Extension, Markdown

from dauerlauf.book.callouts import CalloutLabels
from dauerlauf.book.directives import DirectiveBlocks, Figures
from dauerlauf.book.glossary import FirstUse
from dauerlauf.book.notebook import NotebookPages
from dauerlauf.book.page import PageContext
from dauerlauf.book.tables import TableBoxes
from dauerlauf.book.terminal import Outputs


class DauerlaufExtension(Extension):
    """Meldet alle Bausteine an; eine Instanz von Markdown wandelt eine Seite um."""

    def __init__(self, **kwargs: Any) -> None:
        self.config = {
            "wurzel": ["", "Projektverzeichnis; leer: das nächste über dem Arbeitsverzeichnis mit mkdocs.yml"],
            "quelltext": ["", "URL, unter der die Dateien des Projekts lesbar sind; leer: keine Verweise dorthin"],
        }
        super().__init__(**kwargs)

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - so verlangt es Python-Markdown
        """Hängt die Bausteine in die Verarbeitung ein.

        Die Reihenfolge ist wesentlich: Notebooks und Ausgaben kommen nach dem Normalisieren (Priorität 30) und vor
        den Code-Zäunen (25), Direktiven vor Absätzen, Beschriftungen nach dem Inline-Markdown (20), aber vor den
        Verweisen.
        """
        context = self._context = PageContext(md, self.getConfig("wurzel"), self.getConfig("quelltext"))
        md.registerExtension(self)
        md.preprocessors.register(NotebookPages(md, context), "dauerlauf_notebook", 29)
        md.preprocessors.register(Outputs(md, context), "dauerlauf_ausgaben", 28)
        md.parser.blockprocessors.register(DirectiveBlocks(md.parser, context), "dauerlauf_direktiven", 110)
        md.treeprocessors.register(CalloutLabels(md), "dauerlauf_callouts", 19)
        md.treeprocessors.register(Figures(md, context), "dauerlauf_bilder", 18)
        md.treeprocessors.register(TableBoxes(md), "dauerlauf_tabellen", 16)
        md.treeprocessors.register(FirstUse(md, context), "dauerlauf_glossar", 17)

    def reset(self) -> None:
        """Beginnt eine neue Seite."""
        self._context.reset()

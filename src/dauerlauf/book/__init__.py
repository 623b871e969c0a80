"""Die Bausteine der Buchseiten, je Direktive ein Modul; Einstieg und Syntax in ``dauerlauf.markdown``."""

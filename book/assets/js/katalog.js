// Filter für Katalog und Fehlerlexikon. Ohne JavaScript bleibt die vollständige Tabelle stehen.
const vereinfacht = (text) =>
  text.toLowerCase().replace(/ä/g, "ae").replace(/ö/g, "oe").replace(/ü/g, "ue").replace(/ß/g, "ss");

for (const katalog of document.querySelectorAll(".katalog")) {
  const zeilen = [...katalog.querySelectorAll("tbody tr")];
  const { mehrzahl, leer } = katalog.dataset;
  const werte = (feld) =>
    [...new Set(zeilen.map((zeile) => zeile.dataset[feld]))].sort((a, b) => a.localeCompare(b, "de", { numeric: true }));

  const formular = document.createElement("form");
  formular.className = "katalog-filter";
  formular.setAttribute("role", "search");
  formular.setAttribute("aria-label", "Tabelle filtern");

  const beschriftet = (text, element) => {
    const label = document.createElement("label");
    label.append(text, element);
    formular.append(label);
    return element;
  };

  const suche = beschriftet("Wort im Eintrag", document.createElement("input"));
  suche.type = "search";
  suche.autocomplete = "off";

  const auswahl = Object.fromEntries(
    (katalog.dataset.filter ?? "").split(" ").filter(Boolean).map((feld) => {
      const liste = beschriftet(feld[0].toUpperCase() + feld.slice(1), document.createElement("select"));
      liste.append(new Option("alle", ""), ...werte(feld).map((wert) => new Option(wert, wert)));
      return [feld, liste];
    }),
  );

  const stand = document.createElement("p");
  stand.className = "katalog-stand";
  stand.setAttribute("role", "status");
  katalog.prepend(formular, stand);

  const filtern = () => {
    const woerter = vereinfacht(suche.value).split(/\s+/).filter(Boolean);
    let sichtbar = 0;
    for (const zeile of zeilen) {
      const text = vereinfacht(zeile.textContent);
      const passt =
        woerter.every((wort) => text.includes(wort)) &&
        Object.entries(auswahl).every(([feld, liste]) => !liste.value || zeile.dataset[feld] === liste.value);
      zeile.hidden = !passt;
      sichtbar += passt ? 1 : 0;
    }
    stand.textContent = sichtbar ? `${sichtbar} von ${zeilen.length} ${mehrzahl}` : leer;
  };

  formular.addEventListener("input", filtern);
  formular.addEventListener("submit", (ereignis) => ereignis.preventDefault());
  filtern();
}

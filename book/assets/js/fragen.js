// Prüft die Fragen einer Seite. Ohne Skript bleiben Frage und aufklappbare Antwort.
(() => {
  const richten = (form) => {
    const finde = (wahl) => form.querySelector(wahl);
    const { art, zahl } = form.dataset;
    const richtig = form.dataset.richtig.split(" ");
    const antwort = finde("details");
    const strich = finde(".dl-strich");
    const tun = finde(".dl-tun");
    const sonst = finde("[data-zu=sonst] span")?.innerHTML ?? "";
    const zu = (nummer) => finde(`[data-zu="${nummer}"] span`)?.innerHTML ?? sonst;

    // Jede Art gibt zurück: stimmt es, und wo und warum (nicht)?
    const pruefungen = {
      zahl() {
        const { value } = finde("input");
        if (!value) return [null, "Geben Sie zuerst eine Zahl ein."];
        const irrweg = [...antwort.querySelectorAll("[data-zahl]")].find((e) => +e.dataset.zahl === +value);
        return +value === +zahl ? [true, ""] : [false, zu(irrweg?.dataset.zu)];
      },
      ordnen() {
        const alle = [...strich.parentElement.children];
        const oben = alle.slice(0, alle.indexOf(strich)).map((schritt) => schritt.dataset.nr);
        const fremd = oben.findIndex((nummer) => !richtig.includes(nummer));
        if (fremd >= 0) return [false, `Auf Platz ${fremd + 1}: ${zu(oben[fremd])}`];
        if (oben.length < richtig.length) return [false, `Unter dem Strich liegt noch ein Schritt, der dazugehört. ${sonst}`];
        const platz = oben.findIndex((nummer, stelle) => nummer !== richtig[stelle]);
        return platz < 0 ? [true, ""] : [false, `Platz ${platz + 1} stimmt noch nicht. ${sonst}`];
      },
      wahl() {
        const gewaehlt = [...form.querySelectorAll("input:checked")].map((feld) => feld.value);
        if (!gewaehlt.length) return [null, "Wählen Sie zuerst eine Antwort."];
        const falsch = gewaehlt.find((nummer) => !richtig.includes(nummer));
        const treffer = gewaehlt.filter((nummer) => richtig.includes(nummer));
        const stand = richtig.length > 1 ? `${treffer.length} von ${richtig.length} gefunden. ` : "";
        if (falsch) return [false, stand + zu(falsch)];
        if (treffer.length === richtig.length) return [true, art === "eine" ? zu(richtig[0]) : ""];
        return [false, `${stand}Was Sie gewählt haben, stimmt. Gehen Sie die übrigen noch einmal durch.`];
      },
    };

    const melden = (stimmt, text) => {
      form.dataset.stand = stimmt ?? "";
      const wort = stimmt === null ? "" : `<strong>${stimmt ? "Richtig." : "Noch nicht."}</strong> `;
      finde(".dl-urteil").innerHTML = wort + text;
    };

    form.addEventListener("submit", (ereignis) => {
      ereignis.preventDefault();
      const [stimmt, text] = (pruefungen[art] ?? pruefungen.wahl)();
      melden(stimmt, text);
      if (!stimmt) return;
      antwort.open = true;
      try {
        localStorage.setItem(form.id, "richtig");
      } catch {} // Der Browser merkt sich nichts; nötig ist es nicht.
    });

    for (const schritt of form.querySelectorAll("li[data-nr]")) {
      const text = schritt.textContent;
      for (const wohin of ["oben", "unten"]) {
        const knopf = document.createElement("button");
        knopf.type = "button";
        knopf.className = wohin;
        knopf.ariaLabel = `nach ${wohin}: ${text}`;
        knopf.onclick = () => {
          if (wohin === "oben") schritt.previousElementSibling?.before(schritt);
          else schritt.nextElementSibling?.after(schritt);
          knopf.focus();
          const alle = [...strich.parentElement.children];
          const platz = alle.indexOf(schritt);
          melden(null, platz > alle.indexOf(strich) ? "Unter dem Strich." : `Platz ${platz + 1}.`);
        };
        schritt.append(knopf);
      }
    }

    tun.hidden = tun.firstElementChild.disabled = false;
    try {
      if (localStorage.getItem(form.id)) tun.append(" schon einmal richtig beantwortet");
    } catch {}
  };

  document.querySelectorAll(".dl-frage").forEach(richten);
})();

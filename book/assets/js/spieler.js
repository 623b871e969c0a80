// Der Laufspieler: geht einen aufgezeichneten Lauf Schritt für Schritt durch. Ohne Skript bleibt das Bild stehen.
(() => {
  if (customElements.get("lauf-spieler")) return;

  const WORT = { live: "läuft", crash: "Absturz", takeover: "Übernahme", replay: "Replay" };
  // Was neben dem Worker steht, wenn gerade keine Zeile seines Codes an der Reihe ist.
  const ORT = { live: "", crash: "abgestürzt", takeover: "holt die Event History", replay: "" };
  const ruhig = matchMedia("(prefers-reduced-motion: reduce)");
  const neu = (tag, klasse, text) => {
    const element = document.createElement(tag);
    if (klasse) element.className = klasse;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  // Jedes Stück steht nur einmal in den Daten; sonst überall seine Nummer.
  const entpackt = ({ parts, smooth, crashes }) => {
    const lauf = ({ entries, frames }) => ({
      entries: entries.map((i) => parts[i]),
      frames: frames.map((i) => ({ ...parts[i], variables: parts[i].variables.map((v) => parts[v]) })),
    });
    return { smooth: lauf(smooth), crashes: crashes.map((c) => ({ ...c, run: lauf(c.run) })) };
  };
  const SVG = "http://www.w3.org/2000/svg";

  class LaufSpieler extends HTMLElement {
    connectedCallback() {
      // Steht das Skript schon vor dem Element, ist dessen Inhalt hier noch nicht gelesen.
      if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.beginne());
      else this.beginne();
    }

    disconnectedCallback() {
      this.halte();
    }

    beginne() {
      if (this.daten || !this.isConnected) return;
      const eins = (auswahl) => this.querySelector(auswahl);
      this.daten = entpackt(JSON.parse(eins("script[type='application/json']").textContent));
      this.teile = {
        regler: eins("input"),
        stand: eins(".sp-stand"),
        strecke: eins(".sp-strecke"),
        satz: eins("[role=status]"),
        phase: eins(".sp-phase"),
        hinweis: eins(".sp-hinweis"),
        worker: eins(".sp-worker"),
        variablen: eins(".sp-variablen tbody"),
        events: eins("ol"),
        bild: eins(".dl-schmal"),
        absturzbild: eins(".sp-absturzbild"),
      };
      this.knopf = Object.fromEntries([...this.querySelectorAll("[data-tut]")].map((k) => [k.dataset.tut, k]));
      this.vorlagen = [...this.querySelectorAll("template")];
      for (const blatt of [this.teile.bild, this.teile.absturzbild]) {
        blatt.tabIndex = 0;
        blatt.setAttribute("role", "group");
        blatt.setAttribute("aria-label", "Bild des Laufs");
        blatt.addEventListener("click", (ereignis) => this.waehleZeile(ereignis));
      }
      this.addEventListener("click", (ereignis) => this.klick(ereignis));
      this.addEventListener("keydown", (ereignis) => this.taste(ereignis));
      this.teile.regler.addEventListener("input", () => this.gehe(this.teile.regler.valueAsNumber - 1));
      this.lade(null, 0);
    }

    // ---------- Welcher Lauf

    lade(absturz, schritt) {
      this.absturz = absturz;
      this.lauf = absturz ? absturz.run : this.daten.smooth;
      const { bild, absturzbild, regler, strecke, events } = this.teile;
      absturzbild.replaceChildren();
      if (absturz) absturzbild.append(this.vorlagen[this.daten.crashes.indexOf(absturz)].content.cloneNode(true));
      absturzbild.hidden = !absturz;
      this.toggleAttribute("data-absturz", Boolean(absturz));
      this.blatt = absturz ? absturzbild : bild;
      this.svg = this.blatt.querySelector("svg");
      this.band ??= [0, 1].map(() => document.createElementNS(SVG, "rect"));
      for (const teil of this.band) teil.setAttribute("class", "sp-band");
      this.svg.prepend(...this.band);
      this.knopf.sturz.setAttribute("aria-pressed", Boolean(absturz));
      regler.max = this.lauf.frames.length;
      // Was der zweite Worker schon vorfindet, steht vor dem Event seiner Übernahme.
      this.uebernahme = this.lauf.frames.find((f) => f.phase === "takeover")?.event;
      const { entries } = this.lauf;
      events.replaceChildren(...entries.map((eintrag, i) => this.eventZeile(eintrag, entries[i - 1]?.time)));
      strecke.replaceChildren(...this.abschnitte());
      this.zeige(schritt);
    }

    eventZeile({ event, name, time, title, internal }, vorher) {
      const knopf = neu("button");
      knopf.type = "button";
      knopf.dataset.event = event;
      // „beauftragt“, „gestartet“, „erledigt“ sagt schon der Name des Events.
      const kurz = name.startsWith("ActivityTask") ? title.split(" ")[0] : title;
      knopf.append(neu("span", "sp-nr", event), neu("code", "", name), neu("span", "sp-titel", internal ? "" : kurz));
      knopf.append(neu("span", "sp-zeit", time === vorher ? "" : time));
      const zeile = neu("li");
      zeile.append(knopf);
      return zeile;
    }

    abschnitte() {
      const gruppen = [];
      for (const { phase } of this.lauf.frames) {
        if (gruppen.at(-1)?.dataset.phase !== phase) gruppen.push(Object.assign(neu("span"), { laenge: 0 }));
        gruppen.at(-1).dataset.phase = phase;
        gruppen.at(-1).style.flexGrow = ++gruppen.at(-1).laenge;
      }
      return gruppen;
    }

    // ---------- Ein Schritt

    gehe(schritt) {
      this.halte();
      this.zeige(schritt);
    }

    zeige(schritt) {
      const letzter = this.lauf.frames.length - 1;
      this.schritt = Math.max(0, Math.min(letzter, schritt));
      const frame = this.lauf.frames[this.schritt];
      const { regler, stand, satz, phase, hinweis } = this.teile;
      regler.value = this.schritt + 1;
      stand.textContent = `${this.schritt + 1} von ${letzter + 1}`;
      regler.setAttribute("aria-valuetext", `Schritt ${stand.textContent}`);
      for (const name of ["anfang", "zurueck"]) this.knopf[name].setAttribute("aria-disabled", this.schritt === 0);
      for (const name of ["weiter", "ende"]) this.knopf[name].setAttribute("aria-disabled", this.schritt === letzter);
      this.dataset.phase = frame.phase;
      phase.textContent = this.schritt === letzter ? "Ende" : WORT[frame.phase];
      satz.textContent = frame.text;
      const absturz = this.absturz ?? (this.daten.crashes.length ? this.naechsterAbsturz() : null);
      if (absturz) hinweis.textContent = absturz.label;
      this.zeigeCode(frame);
      this.zeigeVariablen(frame);
      this.zeigeEvents(frame);
      this.zeigeBild(frame);
    }

    zeigeCode(frame) {
      const worker = this.lauf.frames.slice(0, this.schritt + 1).findLast((f) => f.worker)?.worker;
      this.teile.worker.textContent = worker ?? "Worker";
      this.zeigeStelle(this.querySelector(".sp-code"), frame.source, frame.line, ORT[frame.phase]);
      const feld = this.querySelector(".sp-activity");
      this.zeigeStelle(feld, ...(frame.also ?? [-1, 0]), "gerade keine");
      if (frame.also) return;
      // Solange keine läuft, liegt die nächste schon bereit.
      const { frames } = this.lauf;
      const also = (frames.slice(this.schritt).find((f) => f.also) ?? frames.findLast((f) => f.also))?.also;
      if (also) this.oeffne(feld, ...also);
    }

    zeigeStelle(feld, quelle, nummer, sonst) {
      feld.querySelector(".sp-an")?.classList.remove("sp-an");
      const zeile = this.oeffne(feld, quelle, nummer);
      feld.toggleAttribute("data-leer", !zeile);
      zeile?.classList.add("sp-an");
      const datei = zeile?.closest("[data-datei]").dataset.datei.split("/").pop();
      feld.querySelector(".sp-ort").textContent = zeile ? `${datei}, Zeile ${nummer}` : sonst;
    }

    oeffne(feld, quelle, nummer) {
      const zeile = feld.querySelector(`[data-quelle="${quelle}"] [data-nr="${nummer}"]`);
      if (!zeile) return null;
      const datei = zeile.closest("[data-quelle]");
      for (const andere of feld.querySelectorAll("[data-quelle]")) andere.hidden = andere !== datei;
      this.rolle(datei, zeile);
      return zeile;
    }

    zeigeVariablen(frame) {
      // Der Absturz nimmt mit, was eben noch da war: durchgestrichen statt verschwunden.
      const verloren = frame.phase === "crash";
      const gezeigt = (verloren ? this.lauf.frames[this.schritt - 1]?.variables : frame.variables) ?? [];
      const zeilen = gezeigt.map(([name, wert, geaendert]) => {
        const zeile = neu("tr", geaendert && !verloren ? "sp-neu" : "");
        const kopf = neu("th");
        kopf.scope = "row";
        kopf.append(neu("code"));
        // Lange Namen brechen an ihren Punkten um.
        for (const teil of name.split(/(?<=\.)/)) kopf.firstChild.append(teil, neu("wbr"));
        const zelle = neu("td");
        zelle.append(verloren ? neu("del", "", wert) : wert);
        if (geaendert && !verloren) zelle.append(" ", neu("span", "sp-marke", "geändert"));
        zeile.append(kopf, zelle);
        return zeile;
      });
      this.teile.variablen.replaceChildren(...zeilen);
      this.querySelector(".sp-variablen .sp-ort").textContent = verloren
        ? "mit dem Worker verloren"
        : zeilen.length
          ? "Variablen des Workflows"
          : "leer";
      const erste = this.teile.variablen.querySelector(".sp-neu");
      if (erste) this.rolle(erste.closest(".sp-roll"), erste);
    }

    zeigeEvents(frame) {
      for (const knopf of this.teile.events.querySelectorAll("button")) {
        const jetzt = Number(knopf.dataset.event) === frame.event;
        knopf.dataset.stand = this.stand(Number(knopf.dataset.event), frame);
        knopf.tabIndex = jetzt ? 0 : -1;
        if (jetzt) {
          knopf.setAttribute("aria-current", "step");
          this.rolle(this.teile.events, knopf);
        } else knopf.removeAttribute("aria-current");
      }
    }

    // Was ein Event in diesem Schritt ist: schon geschehen, noch nicht, oder beim Replay nur noch gelesen.
    stand(event, { event: jetzt, phase }) {
      const replay = phase === "replay" || phase === "takeover";
      if (replay && event < this.uebernahme) return "gelesen";
      return event <= (replay ? this.uebernahme : jetzt) ? "da" : "kommt";
    }

    zeigeBild(frame) {
      const zeilen = new Map();
      this.lauf.frames.forEach((f) => zeilen.set(f.row, Math.min(f.event, zeilen.get(f.row) ?? Infinity)));
      // Eine Zeile ohne eigenen Schritt, etwa eine Wartezeit, gehört zur Zeile davor.
      let event = 0;
      for (const gruppe of this.svg.querySelectorAll("[data-zeile]")) {
        event = zeilen.get(Number(gruppe.dataset.zeile)) ?? event;
        gruppe.dataset.stand = this.stand(event, frame);
      }
      const [oben, unten] = this.hoehe(frame.row);
      for (const teil of this.band) {
        teil.setAttribute("y", oben);
        teil.setAttribute("height", unten - oben);
      }
      if (oben < unten) this.rolle(this.blatt, this.band[0]);
    }

    // Von wo bis wo eine Zeile des Bildes reicht, in seinen Einheiten.
    hoehe(zeile) {
      const kaesten = [...this.svg.querySelectorAll(`[data-zeile="${zeile}"] text`)].map((text) => text.getBBox());
      if (!kaesten.length) return [0, 0];
      return [Math.min(...kaesten.map((k) => k.y)) - 4, Math.max(...kaesten.map((k) => k.y + k.height)) + 4];
    }

    // Schiebt nur im eigenen Feld, nie die Seite, und nur, wenn das Ziel nicht schon gut zu sehen ist.
    rolle(feld, ziel) {
      const rahmen = feld.getBoundingClientRect();
      const kasten = ziel.getBoundingClientRect();
      const oben = kasten.top - rahmen.top;
      const rand = Math.min(40, (rahmen.height - kasten.height) / 4);
      if (oben >= rand && oben + kasten.height <= rahmen.height - rand) return;
      const top = feld.scrollTop + oben - (rahmen.height - kasten.height) / 3;
      feld.scrollTo({ top, behavior: ruhig.matches || !this.spielt ? "instant" : "smooth" });
    }

    // ---------- Springen

    // Unter mehreren passenden Schritten (einer wird beim Replay noch einmal durchlaufen) der nächste zum jetzigen.
    springe(passt) {
      const treffer = this.lauf.frames.map((f, i) => (passt(f, i) ? i : -1)).filter((i) => i >= 0);
      const weit = (i) => Math.abs(i - this.schritt);
      if (treffer.length) this.gehe(treffer.reduce((a, b) => (weit(b) < weit(a) ? b : a)));
    }

    waehleEvent(event) {
      const bis = Math.max(...this.lauf.frames.map((f) => f.event).filter((e) => e <= event));
      this.springe((f) => f.event === bis);
    }

    waehleZeile({ clientY }) {
      const { top, height } = this.svg.getBoundingClientRect();
      const y = ((clientY - top) * this.svg.viewBox.baseVal.height) / height;
      const zeilen = [...new Set(this.lauf.frames.map((f) => f.row))].filter((zeile) => zeile >= 0);
      const abstand = (zeile) => Math.max(this.hoehe(zeile)[0] - y, y - this.hoehe(zeile)[1], 0);
      const zeile = zeilen.reduce((a, b) => (abstand(b) < abstand(a) ? b : a));
      this.springe((f, i) => f.row === zeile && this.lauf.frames[i - 1]?.row !== zeile);
    }

    // ---------- Absturz

    naechsterAbsturz() {
      const { event } = this.lauf.frames[this.schritt];
      const weit = (c) => Math.abs(c.event - event);
      return this.daten.crashes.reduce((a, b) => (weit(b) < weit(a) ? b : a));
    }

    schalte() {
      this.halte();
      if (this.absturz) this.lade(null, this.glatterSchritt());
      else {
        const absturz = this.naechsterAbsturz();
        this.lade(absturz, Math.max(0, absturz.run.frames.findIndex((f) => f.phase === "crash")));
      }
    }

    // Derselbe Augenblick im glatten Lauf. Nach dem Absturz zählen die Events anders; dann gilt das gleichnamige.
    glatterSchritt() {
      const frame = this.lauf.frames[this.schritt];
      const glatt = this.daten.smooth;
      const bis = (event) => glatt.frames.findLastIndex((f) => f.event <= event);
      if (frame.phase === "crash" || frame.phase === "takeover") return bis(this.absturz.event);
      if (frame.event <= this.absturz.event) return bis(frame.event);
      const name = (lauf, f) => lauf.entries.filter((e) => e.event === f.event).map((e) => e.name + e.title)[0];
      const vorher = this.lauf.frames.slice(0, this.schritt + 1).filter((f) => f.phase === "live");
      const wievielte = vorher.filter((f) => name(this.lauf, f) === name(this.lauf, frame)).length;
      const gleiche = glatt.frames.filter((f) => name(glatt, f) === name(this.lauf, frame));
      return gleiche[wievielte - 1] ? glatt.frames.indexOf(gleiche[wievielte - 1]) : bis(this.absturz.event);
    }

    // ---------- Abspielen

    spiele() {
      if (this.schritt === this.lauf.frames.length - 1) this.zeige(0);
      this.setzeSpielt(true);
      this.warte();
    }

    warte() {
      const { text } = this.lauf.frames[this.schritt];
      // Zeit zum Lesen: etwa 30 Zeichen in der Sekunde und eine Sekunde zum Schauen.
      this.uhr = setTimeout(() => {
        this.zeige(this.schritt + 1);
        if (this.schritt < this.lauf.frames.length - 1) this.warte();
        else this.halte();
      }, 1000 + text.length * 33);
    }

    halte() {
      if (!this.spielt) return;
      clearTimeout(this.uhr);
      this.setzeSpielt(false);
      // Während des Abspielens schwieg der Bereich; jetzt wird vorgelesen, wo der Lauf steht.
      this.teile.satz.textContent = this.lauf.frames[this.schritt].text;
    }

    setzeSpielt(spielt) {
      this.spielt = spielt;
      this.toggleAttribute("data-spielt", spielt);
      this.teile.satz.setAttribute("aria-live", spielt ? "off" : "polite");
      const wort = spielt ? "Anhalten" : "Abspielen";
      this.knopf.spielen.setAttribute("aria-label", wort);
      this.knopf.spielen.title = wort;
    }

    // ---------- Maus und Tasten

    klick({ target }) {
      const tut = target.closest("[data-tut]")?.dataset.tut;
      const event = target.closest("[data-event]")?.dataset.event;
      if (event) this.waehleEvent(Number(event));
      else if (tut === "sturz") this.schalte();
      else if (tut) this.tu(tut);
    }

    tu(was) {
      if (was === "anfang") this.gehe(0);
      else if (was === "zurueck") this.gehe(this.schritt - 1);
      else if (was === "weiter") this.gehe(this.schritt + 1);
      else if (was === "ende") this.gehe(Infinity);
      else if (this.spielt) this.halte();
      else this.spiele();
    }

    taste(ereignis) {
      const { key, target, altKey, ctrlKey, metaKey, shiftKey } = ereignis;
      if (altKey || ctrlKey || metaKey || shiftKey || target.closest("details")) return;
      if (target.closest("ol") && (key === "ArrowUp" || key === "ArrowDown")) {
        const nachbar = target.parentElement[key === "ArrowUp" ? "previousElementSibling" : "nextElementSibling"];
        nachbar?.firstElementChild.focus({ preventScroll: true });
        if (nachbar) this.rolle(this.teile.events, nachbar);
        ereignis.preventDefault();
        return;
      }
      const tut = { ArrowLeft: "zurueck", ArrowRight: "weiter", Home: "anfang", End: "ende", " ": "spielen" }[key];
      // Die Leertaste gehört dem Knopf, auf dem sie gedrückt wird.
      if (!tut || (key === " " && target.closest("button, a"))) return;
      ereignis.preventDefault();
      this.tu(tut);
    }
  }

  customElements.define("lauf-spieler", LaufSpieler);
})();

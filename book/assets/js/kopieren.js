// Ein Knopf an jedem Codeblock; bei einem Terminal kopiert er den Befehl, nicht die Ausgabe.
const meldung = document.createElement("p");
meldung.className = "nur-vorgelesen";
meldung.setAttribute("role", "status");
document.querySelector(".md-content")?.append(meldung);

for (const code of document.querySelectorAll(".md-content pre > code")) {
  const knopf = document.createElement("button");
  knopf.type = "button";
  knopf.className = "kopieren";
  knopf.title = code.closest(".befehl") ? "Befehl kopieren" : "Code kopieren";
  knopf.setAttribute("aria-label", knopf.title);
  knopf.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent.replace(/\n$/, ""));
    knopf.classList.add("kopiert");
    meldung.textContent = "Kopiert";
    setTimeout(() => {
      knopf.classList.remove("kopiert");
      meldung.textContent = "";
    }, 2000);
  });
  code.parentElement.prepend(knopf);
}

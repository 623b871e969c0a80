// Was das Thema Vorlesehilfen und der Tastatur schuldig bleibt.

document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Suche");

// Ein Kapitel mit eigener Seite beschriftet seine Unterpunkte mit einem leeren Element.
for (const nav of document.querySelectorAll(".md-nav--primary nav[aria-labelledby]")) {
  const name = nav.parentElement.querySelector(":scope > .md-nav__link, :scope > .md-nav__container a");
  if (!document.getElementById(nav.getAttribute("aria-labelledby"))?.textContent.trim() && name) {
    nav.removeAttribute("aria-labelledby");
    nav.setAttribute("aria-label", name.textContent.trim());
  }
}

// Was breiter ist als sein Platz, muss sich auch mit der Tastatur schieben lassen.
const schiebbar = () => {
  for (const kasten of document.querySelectorAll(".tabelle, .md-typeset__scrollwrap, pre.ausgabe, pre > code")) {
    if (kasten.scrollWidth > kasten.clientWidth) kasten.tabIndex = 0;
    else kasten.removeAttribute("tabindex");
  }
};
window.addEventListener("load", schiebbar);
document.addEventListener("toggle", schiebbar, true);
window.addEventListener("resize", schiebbar);

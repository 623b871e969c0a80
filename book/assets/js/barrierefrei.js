// Was das Thema Vorlesehilfen schuldig bleibt.
document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Suche");

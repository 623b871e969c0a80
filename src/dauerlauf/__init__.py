"""Die Werkbank von *Dauerlauf*: Temporal-Muster ausführen, beweisen und zeigen."""

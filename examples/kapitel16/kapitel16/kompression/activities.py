"""Die Activity: eine Preisliste holen. Von Kompression weiß sie nichts."""

from temporalio import activity

from kapitel16.kompression.models import PriceList, PriceListRequest

GOODS = ("Regal, Kiefer massiv", "Stuhl, Buche geölt", "Tisch, Eiche lackiert")


def price_list(rows: int) -> PriceList:
    """Eine Liste, wie Lieferanten sie schicken: lang und voller Wiederholungen."""
    lines = [
        f"Möbelwerk Schleswig;NV-{row:06};{GOODS[row % 3]};Stück;ab Lager lieferbar;"
        f"{1_900 + row % 50 * 100}"
        for row in range(rows)
    ]
    return PriceList("\n".join(lines))


@activity.defn
async def fetch_prices(request: PriceListRequest) -> PriceList:
    """Holt die Liste; liest nur und braucht keinen Idempotenzschlüssel."""
    return price_list(request.rows)

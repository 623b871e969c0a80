"""Die Verbindung zum Temporal Server, für Worker und Programme dieses Kapitels."""

import sys

from temporalio.client import Client
from temporalio.envconfig import ClientConfig


async def connect() -> Client:
    """Verbindet sich mit dem konfigurierten Server, sonst mit `localhost:7233`.

    Antwortet er nicht, endet das Programm mit einem Satz und Code 2. Was sich
    konfigurieren lässt: https://docs.temporal.io/develop/environment-configuration
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    try:
        return await Client.connect(**config)
    except RuntimeError:
        print(
            f"Der Temporal Server {config['target_host']} antwortet nicht. "
            "Läuft er, und stimmt TEMPORAL_ADDRESS?",
            file=sys.stderr,
        )
        sys.exit(2)

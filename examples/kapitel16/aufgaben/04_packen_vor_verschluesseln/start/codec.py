"""Packen und Versiegeln in einem Codec."""

import dataclasses
import zlib
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec
from versiegeln import EncryptionCodec


def data_converter() -> DataConverter:
    """Der Standardkonverter mit einem Codec, der packt und versiegelt."""
    # Lücke: Hier wird bisher nur versiegelt.
    return dataclasses.replace(DataConverter.default, payload_codec=EncryptionCodec())

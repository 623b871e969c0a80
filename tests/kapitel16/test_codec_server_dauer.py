"""Was der Weg über den Codec-Server kostet."""

import pytest

from kapitel16.codec_server import benchmark


@pytest.mark.bank
async def test_many_payloads_in_one_request_are_cheaper() -> None:
    together, batches, one_by_one = list((await benchmark.measure(count=500)).values())[1:]
    assert together < one_by_one / 3
    assert batches < one_by_one / 2

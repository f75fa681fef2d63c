"""Log of hpack under HTTP/2, which this library cannot change: the documentation must describe it correctly."""

from __future__ import annotations

import ast
import logging
from typing import Any

import h2.connection
import hpack
import pytest

from prio_middleware.testing.no_secrets import traces_of

HEADER = ("authorization", "Bearer kanarie-secret-token-123456")


@pytest.mark.pitfall(id="logged-headers")
def test_the_header_is_masked_in_one_line_and_can_be_decoded_from_another(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "hpack")
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    connection.send_headers(1, [(":method", "GET"), (":authority", "a"), (":scheme", "https"), (":path", "/"), HEADER])
    lines = [record.getMessage() for record in caplog.records]
    (block,) = (line.partition(" to ")[2] for line in lines if line.startswith("Encoded header block"))
    decoded: dict[Any, Any] = dict(hpack.Decoder().decode(ast.literal_eval(block)))

    assert not any(map(traces_of([HEADER[1]]).find, lines))
    assert decoded["authorization"] == HEADER[1]


@pytest.mark.pitfall(id="logged-headers")
def test_the_line_of_the_documentation_silences_it(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "hpack")
    hpack.Encoder().encode([HEADER])
    assert caplog.records == []

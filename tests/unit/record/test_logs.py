import io
import json
import logging
from collections.abc import Iterator

import pytest

from cds_service.record import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged, by handlers that are those of the process only for this test."""
    root, own = logging.getLogger(), logging.getLogger("cds_service")
    before = root.handlers[:], root.level, own.level
    root.handlers = []  # basicConfig closes those that it replaces
    try:
        yield io.StringIO()
    finally:
        root.handlers, level, own_level = before
        root.setLevel(level)
        own.setLevel(own_level)


def test_a_line_is_json_with_the_id_of_its_request(stream: io.StringIO) -> None:
    logs.configure("json", "info", stream)
    token = logs.request_id.set("r-1")
    logging.getLogger("cds_service.x").info(
        "two\nlines of %s", "text", extra={"fields": {"status": 200, "client": None}}
    )
    logs.request_id.reset(token)
    logging.getLogger("another").info("not heard")
    logging.getLogger("another").warning("heard")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "logger": "cds_service.x",
        "message": "two\nlines of text",
        "request_id": "r-1",
        "status": 200,
    }
    assert second["message"] == "heard"
    assert "request_id" not in second


def test_a_level_is_that_of_this_package(stream: io.StringIO) -> None:
    logs.configure("json", "error", stream)
    logging.getLogger("cds_service.x").warning("not heard")
    assert stream.getvalue() == ""


def test_text_is_one_line_too(stream: io.StringIO) -> None:
    logs.configure("text", "info", stream)
    logging.getLogger("cds_service.x").info("two\nlines", extra={"fields": {"status": 200}})
    assert stream.getvalue().endswith(" info cds_service.x two | lines status=200\n")


@pytest.mark.parametrize("style", ["json", "text"])
def test_of_an_error_only_kind_and_place_are_told(stream: io.StringIO, style: "logs.Style") -> None:
    logs.configure(style, "info", stream)
    try:
        raise ValueError("Zyxwvut, born 1951")
    except ValueError:
        logging.getLogger("cds_service.x").exception("went wrong")
    assert "ValueError in test_of_an_error_only_kind_and_place_are_told:" in stream.getvalue()
    assert "Zyxwvut" not in stream.getvalue()


def test_an_error_that_was_not_raised_has_no_place() -> None:
    assert logs.kind_and_place(KeyError("x")) == "KeyError in unknown"


def test_what_quotes_addresses_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    logs.silence_what_quotes()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3.connectionpool").error("Failed to parse headers (url=/Patient/1)")
    assert caplog.records == []

"""What a request is answered with, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

PLAIN = "text/plain"
TEXT = "text/plain;charset=utf-8"
HTML = "text/html;charset=utf-8"
JSON = "application/json; charset=utf-8"


@frozen
class Reply:
    """Status, headers and body.

    :param size: bytes that Content-Length says; None for those of *body*
    :param is_streamed: nobody knows how many bytes will come
    """

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: Mapping[str, str | bytes] = field(factory=dict)
    size: int | None = None
    is_streamed: bool = False


def text(status: int, words: str) -> Reply:
    """Return one line of text; there is no newline at its end."""
    return Reply(status, words.encode())


def as_json(status: int, value: Any, content_type: str = JSON) -> Reply:
    """Return *value* as JSON, indented by one space."""
    return Reply(status, f"{json.dumps(value, indent=1)}\n".encode(), content_type)

import io
import json

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from allmydata.node.config import parse
from allmydata.node.logs import make_observer
from allmydata.node.redaction import redacted

SECRET = "zhzkxj7oa24yf7wbzc5hkclpmm"
FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:9/{SECRET}"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"GET /uri/URI:CHK:{SECRET}:x:3:10:99 failed", "GET /uri/URI:CHK:…"),
        (f"GET /uri/URI%3ADIR2%3A{SECRET}%3Ax", "GET /uri/URI%3ADIR2%3A…"),
        (f"uri:ssk:{SECRET}", "uri:ssk:…"),
        (f"no such name at {FURL}!", "no such name at pb://…"),
        (f"to '{FURL}' and on", "to 'pb://…' and on"),
        (f"Authorization: Bearer {SECRET}\nnext", "Authorization: …\nnext"),
        (f"Cookie: tahoe-session-1={SECRET}", "Cookie: …"),
        (f"/_/login?code={SECRET}&next=/", "/_/login?code=…&next=/"),
        ("a URI: is a name; pb is lead", "a URI: is a name; pb is lead"),
    ],
)
def test_what_would_let_a_reader_use_it_is_taken_out(text, left):
    assert redacted(text).startswith(left)
    assert SECRET not in redacted(text)


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_line_of_a_log_holds_a_capability(tmp_path, form):
    file = io.StringIO()
    config = parse(f"[node]\nlog.format = {form}".encode(), tmp_path, "client")
    log = Logger("allmydata.test", observer=LogPublisher(make_observer(config, file)))
    log.warn("reading {cap}", cap=f"URI:CHK:{SECRET}")
    try:
        raise ValueError(f"no {FURL}")
    except ValueError:
        log.failure("it failed", failure=Failure(), level=LogLevel.critical)
    text = file.getvalue()
    assert "it failed" in text and SECRET not in text
    if form == "json":
        assert [json.loads(line)["log_namespace"] for line in text.splitlines()]

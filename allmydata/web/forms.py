"""What comes in the body of a POST: arguments, a file, or something else as it is.

A file goes into a spool while it comes, so that nothing of its plaintext is on disk, and
no more of it in memory than that allows.  Its fields may stand before or after it.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define
from twisted.internet.defer import Deferred

from allmydata.errors import GridError, UsageError
from allmydata.streams.spool import Spool
from allmydata.util.deferreds import Gate
from allmydata.web.errors import HTTPError
from allmydata.web.multipart import End, Event, MultipartParser, Part, find_boundary
from allmydata.web.request import Request, parse_query

MAX_BODY_SIZE = 2**24  # bytes of a body that is no file
MAX_FIELDS_SIZE = 2**20  # bytes of all fields of a form but the file
FIELD_OVERHEAD = 100  # bytes that each of them counts beside its own

OpenFile = Callable[[], Spool]


@define
class Form:
    """The body of a POST, beside the arguments in it.

    :param body: as it came; empty for a form of several parts
    :param file: all of what its field ``file`` holds, if it has one
    :param file_name: what the sender calls that; may be empty
    """

    body: bytes = b""
    file: Spool | None = None
    file_name: str = ""

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()


async def read_form(request: Request, open_file: OpenFile) -> Form:
    """Wait for the body; its fields become arguments of *request* that it has not yet.

    :param open_file: makes what takes the file
    :return: to be closed
    :raises UsageError: it is no form, although it says so
    :raises HTTPError: it is too large
    """
    content_type = request.header("content-type") or ""
    boundary = find_boundary(content_type)
    if boundary is not None:
        return await _read_parts(request, _Parts(boundary, open_file, request))
    body = await request.read_body(MAX_BODY_SIZE)
    is_form = content_type.lower().startswith("application/x-www-form-urlencoded")
    if is_form and len(body) <= MAX_FIELDS_SIZE:
        # programs post JSON under this type, too: whatever it parses as does no harm
        for name, values in parse_query(body).items():
            request.args.setdefault(name, values)
    return Form(body)


def take_no_file() -> Spool:
    """Refuse the file of a form that should have none.

    :raises UsageError: always
    """
    raise UsageError("this form takes no file")


async def _read_parts(request: Request, parts: _Parts) -> Form:
    request.pour_into(parts)
    try:
        return await parts.read()
    except BaseException:
        parts.form.close()
        raise


class _Parts:
    """A form of several parts, while it comes."""

    def __init__(self, boundary: bytes, open_file: OpenFile, request: Request) -> None:
        self.form = Form()
        self._request = request
        self._parser = MultipartParser(boundary)
        self._open_file = open_file
        self._name = b""  # of the present part
        self._into: Spool | bytearray = bytearray()  # where it goes
        self._num_bytes = 0  # of all fields
        self._has_file, self._has_all = Gate(), Gate()
        self._error: GridError | None = None

    async def read(self) -> Form:
        """Wait for everything.

        :raises GridError: it is no form, or the file could not be taken
        """
        await self._has_file.wait()
        if self.form.file is not None and self._error is None:
            try:
                await self.form.file.fill()
            except GridError as e:
                raise self._error or e from e
        await self._has_all.wait()
        if self._error is not None:
            raise self._error
        return self.form

    # ---- what the connection calls

    def write(self, data: bytes) -> Deferred[None] | None:
        """Take the next bytes; whoever gets a Deferred should wait for it before more."""
        waiting = None
        try:
            for event in self._parser.feed(data) if self._error is None else ():
                waiting = self._hear(event) or waiting
        except GridError as e:
            self._end(e)
        return waiting

    def finish(self) -> None:
        """Hear that the body is complete."""
        try:
            self._parser.finish()
            self._end(None)
        except GridError as e:
            self._end(e)

    def _end(self, error: GridError | None) -> None:
        self._error = self._error or error
        if self._error is not None:
            self.form.close()  # which ends the wait for its rest
        self._has_file.open()
        self._has_all.open()

    def _hear(self, event: Event) -> Deferred[None] | None:
        if isinstance(event, Part):
            self._begin(event)
        elif isinstance(self._into, Spool):
            if event is not End.PART:
                return self._into.write(event)
            self._into.finish()
        elif event is not End.PART:
            self._count(len(event))
            self._into += event
        else:
            self._request.args.setdefault(self._name, [bytes(self._into)])
        return None

    def _begin(self, part: Part) -> None:
        self._name, self._into = part.name.encode(), bytearray()
        self._count(len(self._name) + FIELD_OVERHEAD)
        if part.name == "file" and self.form.file is None:
            self.form.file = self._into = self._open_file()
            self.form.file_name = part.file_name or ""
            self._has_file.open()

    def _count(self, size: int) -> None:
        self._num_bytes += size
        if self._num_bytes > MAX_FIELDS_SIZE:
            raise HTTPError(413, "the form's fields are too long")

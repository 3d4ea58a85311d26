"""Files on their way in: from a request's body into the uploader.

What a convergent key must wait for lies in a spool: in memory, or encrypted in a file
without a name (decision 18).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from allmydata.errors import UsageError
from allmydata.interfaces import IClient
from allmydata.streams.incoming import Incoming
from allmydata.streams.spool import Spool
from allmydata.util.workers import Workers
from allmydata.web import mutables
from allmydata.web.arguments import UploadOptions
from allmydata.web.forms import Form
from allmydata.web.mutables import Readable
from allmydata.web.request import Request

Source = Spool | Incoming


class Uploads:
    """Takes files in, and stores them.

    :param private_dir: where they wait, encrypted, in files without a name
    """

    def __init__(self, client: IClient, workers: Workers, private_dir: Path) -> None:
        self._client: Any = client
        self._workers = workers
        self._private_dir = private_dir

    def open(self, options: UploadOptions, size: int | None = None) -> Spool:
        """Return a place for a file to wait in until all of it has come.

        :param size: bytes that will come, if that is known
        :return: to be closed
        """
        uploader = self._client.getService("uploader")
        k, _, n = uploader.parameters()
        return Spool(
            self._private_dir,
            uploader.convergence if options.is_convergent else None,
            self._workers,
            parameters=(k, n),
            max_segment_size=uploader.max_segment_size,
            size=size,
        )

    def receive(self, request: Request, options: UploadOptions) -> Source:
        """Let the body of *request* come; nothing may have been waited for before.

        :return: to be closed
        :raises HTTPError: that is more than such a file holds
        """
        source: Source
        if options.mutable:
            mutables.check_size(request.body_size or 0)
        if not options.is_convergent and request.body_size is not None:
            source = Incoming(request.body_size)
        else:
            source = self.open(options, request.body_size)
        request.pour_into(source)
        return source

    async def store(self, source: Source, options: UploadOptions) -> str:
        """Store what comes; return its capability."""
        if isinstance(source, Spool):
            await source.fill()
        return await self._upload(source, options)

    async def replace(self, source: Source, cap: Readable, offset: int | None) -> None:
        """Put what comes into a mutable file: all of it, or from *offset* on."""
        if isinstance(source, Spool):
            await source.fill()
        await mutables.replace(self._client, cap, source, offset)

    async def store_form(self, form: Form, options: UploadOptions) -> str:
        """Store the file of a form; return its capability.

        :raises UsageError: it has none
        """
        if form.file is None:
            raise UsageError(
                "there must be a form of several parts, one of them named file"
            )
        return await self._upload(form.file, options)

    async def _upload(self, source: Source, options: UploadOptions) -> str:
        if options.mutable:
            return await mutables.create(self._client, options.mutable, source)
        uploader = self._client.getService("uploader")
        cap: str = await uploader.upload(source, happy=options.happy)
        return cap

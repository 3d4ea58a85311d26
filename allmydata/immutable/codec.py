"""The erasure code behind ICodecEncoder and ICodecDecoder, and the table of codecs.

There is one type, ``crs``: the code of :mod:`allmydata.coding.erasure`.  Its serialized
parameters are ``<data size>-<k>-<n>`` in decimal, as the URI extension carries them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from attrs import define, field, frozen
from zope.interface import implementer

from allmydata.coding.erasure import Coder, coder
from allmydata.coding.isal import Buffer
from allmydata.errors import BadShareError
from allmydata.interfaces import ICodecDecoder, ICodecEncoder
from allmydata.util.deferreds import as_deferred
from allmydata.util.workers import Workers

P = ParamSpec("P")
T = TypeVar("T")

SERIALIZED = re.compile(r"(0|[1-9][0-9]{0,18})-([1-9][0-9]{0,2})-([1-9][0-9]{0,2})")


@frozen
class CRSParams:
    """What an encoder and its decoder agree on."""

    data_size: int  # bytes of one encode(), a multiple of k
    coder: Coder

    @classmethod
    def make(cls, data_size: int, k: int, n: int) -> CRSParams:
        """Check the three numbers.

        :raises ValueError: *data_size* is no multiple of *k*, or there is no such code
        """
        made = cls(data_size, coder(k, n))
        if data_size < 0 or data_size % k:
            raise ValueError(f"data size {data_size}, wanted a multiple of {k}")
        return made

    @classmethod
    def parse(cls, text: str) -> CRSParams:
        """Read what :meth:`serialize` wrote.

        :raises BadShareError: it can't be that
        """
        found = SERIALIZED.fullmatch(text)
        if not found:
            raise BadShareError("codec parameters are not three numbers with hyphens")
        try:
            return cls.make(*map(int, found.groups()))
        except ValueError as e:
            raise BadShareError(f"codec parameters {text}: {e}") from e

    def serialize(self) -> str:
        """Return the parameters as text."""
        return f"{self.data_size}-{self.coder.k}-{self.coder.n}"

    @property
    def block_size(self) -> int:
        """Return the bytes of one block."""
        return self.data_size // self.coder.k

    def check(self, blocks: Sequence[Buffer]) -> None:
        """Refuse blocks of another size than these parameters promise."""
        for block in blocks:
            if len(block) != self.block_size:
                raise ValueError(f"block of {len(block)} bytes, wanted {self.block_size}")


@implementer(ICodecEncoder)
@define
class CRSEncoder:
    """Makes blocks, in a thread of *workers* if given; any number of calls at once."""

    _workers: Workers | None = None
    _params: CRSParams = field(init=False)

    def set_params(self, data_size: int, required_shares: int, max_shares: int) -> None:
        """Prepare for blocks of data of exactly *data_size* bytes.

        :raises ValueError: not 1 <= required_shares <= max_shares <= 256, or *data_size*
            is no multiple of *required_shares*
        """
        self._params = CRSParams.make(data_size, required_shares, max_shares)

    def get_encoder_type(self) -> str:
        """Return the key of this codec in :data:`CODECS`."""
        return "crs"

    def get_serialized_params(self) -> str:
        """Return text from which a decoder can be made ready."""
        return self._params.serialize()

    def get_block_size(self) -> int:
        """Return the bytes of each block that encode() produces."""
        return self._params.block_size

    @as_deferred
    async def encode_proposal(
        self, data: Buffer, desired_share_ids: Sequence[int] | None = None
    ) -> tuple[list[Buffer], list[int]]:
        """Cut *data*, one buffer of the data size, into pieces and encode those."""
        whole, size = memoryview(data), self._params.block_size
        if len(whole) != self._params.data_size:
            wanted = self._params.data_size
            raise ValueError(f"{len(whole)} bytes of data, wanted {wanted}")
        starts = [num * size for num in range(self._params.coder.k)]
        return await self.encode(
            [whole[at : at + size] for at in starts], desired_share_ids
        )

    @as_deferred
    async def encode(
        self, inshares: Sequence[Buffer], desired_share_ids: Sequence[int] | None = None
    ) -> tuple[list[Buffer], list[int]]:
        """Return blocks and their share numbers, of all shares or of those desired.

        :param inshares: the data in k buffers of the block size; the first k blocks are
            these buffers themselves
        """
        self._params.check(inshares)
        coder, numbers = self._params.coder, desired_share_ids
        numbers = list(range(coder.n) if numbers is None else numbers)
        return await _run(self._workers, coder.encode, inshares, numbers), numbers


@implementer(ICodecDecoder)
@define
class CRSDecoder:
    """Brings data back from blocks, in a thread of *workers* if given."""

    _workers: Workers | None = None
    _params: CRSParams = field(init=False)

    def set_serialized_params(self, params: str) -> None:
        """Prepare for what an encoder with these parameters made.

        :raises BadShareError: they make no sense
        """
        self._params = CRSParams.parse(params)

    def get_needed_shares(self) -> int:
        """Return k."""
        return self._params.coder.k

    @as_deferred
    async def decode(
        self, some_shares: Sequence[Buffer], their_shareids: Sequence[int]
    ) -> list[Buffer]:
        """Return the data in k buffers in order; some may be those given.

        :param some_shares: exactly k blocks
        :param their_shareids: the share number of each
        """
        self._params.check(some_shares)
        decode = self._params.coder.decode
        return await _run(self._workers, decode, some_shares, their_shareids)


async def _run(
    workers: Workers | None, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    if workers is None:
        return f(*args, **kwargs)
    return await workers.run(f, *args, **kwargs)


CODECS = {"crs": (CRSEncoder, CRSDecoder)}


def get_encoder_by_name(name: str, workers: Workers | None = None) -> ICodecEncoder:
    """Return a new encoder of the type its get_encoder_type() names.

    :raises BadShareError: there is no such codec
    """
    encoder: ICodecEncoder = _find(name)[0](workers)
    return encoder


def get_decoder_by_name(name: str, workers: Workers | None = None) -> ICodecDecoder:
    """Return a new decoder for what an encoder of that type made.

    :raises BadShareError: there is no such codec
    """
    decoder: ICodecDecoder = _find(name)[1](workers)
    return decoder


def _find(name: str) -> tuple[type[CRSEncoder], type[CRSDecoder]]:
    if name not in CODECS:
        raise BadShareError(f"codec {name[:20]!r}, wanted one of {sorted(CODECS)}")
    return CODECS[name]

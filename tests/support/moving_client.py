"""A client node without a grid that has moved files, and keeps shares for others."""

from attrs import define, field

from allmydata.errors import NoSharesError
from allmydata.immutable.transfers import Transfers
from allmydata.util.deferreds import as_deferred
from allmydata.web.site import make_site
from tests.support.fake_client import FakeClient

INDEX = bytes(range(16))
INDEX_WORDS = "aaaqeayeaudaocajbifqydiob4"


@define
class MovingClient(FakeClient):
    """Its transfers are begun and ended by the test; ``now`` is their clock."""

    now: float = 1000.0
    figures: dict[str, int | None] | None = None
    transfers: Transfers = field(init=False)

    @transfers.default
    def _(self):
        return Transfers(lambda: self.now)

    @as_deferred
    async def storage_figures(self):
        return self.figures

    def move(self, kind="upload", size=300):
        """Move a file of three segments to two servers, and end."""
        with self.transfers.running(kind, size, INDEX) as transfer:
            transfer.num_segments = 3
            for shnum in range(2):
                transfer.asked(f"s{shnum}", shnum)
                transfer.got(f"s{shnum}", 3, size // 2)
            transfer.advance(size)

    def fail(self, kind="download"):
        """Begin a transfer, and let it fail."""
        try:
            with self.transfers.running(kind, 100, INDEX):
                raise NoSharesError("none")
        except NoSharesError:
            pass


def put_behind(gateway):
    """Return a client that moves files, which *gateway* asks from now on."""
    client = MovingClient()
    gateway.site.router = make_site(client, None, gateway.directory).router
    return client

"""What hypothesis draws from: byte strings of fixed size, file shapes, capabilities."""

from hypothesis import strategies as st

from allmydata import uri
from allmydata.coding.geometry import Geometry
from allmydata.util.base32 import b2a

keys = st.binary(min_size=16, max_size=16)
hashes = st.binary(min_size=32, max_size=32)
tubids = st.builds(b2a, st.binary(min_size=20, max_size=20))
hosts = st.sampled_from(["127.0.0.1", "a.example.org", "[::1]", "x"])
hints = st.builds(
    "{}:{}:{}".format, st.sampled_from(["tcp", "tor"]), hosts, st.integers(1, 65535)
)
swissnums = st.builds(b2a, st.binary(min_size=1, max_size=20))


@st.composite
def counts(draw, max_n=256):
    """Draw (k, n)."""
    n = draw(st.integers(1, max_n))
    return draw(st.integers(1, n)), n


@st.composite
def geometries(draw, max_n=20, max_size=10**13):
    """Draw the shape of a file that an uploader of ours could have made."""
    k, n = draw(counts(max_n))
    size = draw(st.integers(1, max_size))
    return Geometry.for_new_file(size, k, n, draw(st.integers(1, 2**24)))


@st.composite
def furls(draw):
    """Draw an address: Tub id, several host hints with colons in them, name."""
    where = ",".join(draw(st.lists(hints, min_size=1, max_size=4)))
    return f"pb://{draw(tubids)}@{where}/{draw(swissnums)}"


@st.composite
def chk_caps(draw, kind=uri.CHKFileURI):
    """Draw a read cap or, for CHKFileVerifierURI, a verify cap."""
    k, n = draw(counts())
    return kind(draw(keys), draw(hashes), k, n, draw(st.integers(1, 10**18 - 1)))


literals = st.builds(uri.LiteralFileURI, st.binary(max_size=55))
directories = st.builds(uri.DirnodeURI, furls(), keys)
readonly_directories = st.builds(uri.ReadOnlyDirnodeURI, furls(), keys)
immutable_caps = st.one_of(chk_caps(), chk_caps(uri.CHKFileVerifierURI), literals)
known_caps = st.one_of(immutable_caps, directories, readonly_directories)

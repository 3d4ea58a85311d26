"""From the header of a share to the shape that arithmetic knows; pure."""

from __future__ import annotations

from allmydata.coding.mutable import MutableGeometry
from allmydata.errors import BadShareError
from allmydata.formats.mutable import MutableLayout, Prefix, salt_size


def geometry_of(prefix: Prefix) -> MutableGeometry:
    """Return the shape of a version's shares."""
    sizes = prefix.size, prefix.k, prefix.n, prefix.segment_size
    return MutableGeometry(*sizes, salt_size(prefix.kind))


def check_fits(layout: MutableLayout) -> None:
    """Check that a share has the room for data that its version needs.

    :raises BadShareError: it has another
    """
    begin, end = layout.parts["data"]
    wanted = geometry_of(layout.prefix).data_size
    if end - begin != wanted:
        raise BadShareError(f"a mutable share with {end - begin} of {wanted} bytes of data")

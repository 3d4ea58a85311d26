"""Directories of capabilities, and the drive that holds them together.

A directory maps names to capabilities of files and of other directories.  Whoever holds
its write capability changes it, whoever holds its read capability sees the same children
but gets read-only forms of them.  Names are text: not empty, not ``.`` or ``..``, without
``/`` and NUL, at most 255 bytes of UTF-8, compared after NFC.

A *node* is an :class:`~allmydata.interfaces.IFileNode` or an :class:`IDirectoryNode`; a
*path* is a list of names, or the same joined by ``/``, one leading ``/`` ignored.
Format: docs/formats/dirtable.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class IDirectoryNode(Interface):
    """One directory, with the authority of the capability it was made from.

    Where a child is named and absent, the Deferred fails with NoSuchChildError, which is
    an IndexError. Where the node is read-only, whatever would change it fails with
    NotMutableError.
    """

    def is_mutable() -> bool:
        """Return True if *this node* may change the directory, False if it only reads."""

    def get_uri() -> str:
        """Return this node's own capability: read-write where it is, else read-only.

        It may be given to others as text, or to ``set_uri`` of another directory, which
        then holds this one as a child.
        """

    def get_immutable_uri() -> str:
        """Return the read-only capability, whatever this node itself may do."""

    def get_refresh_capability() -> str | None:
        """Return the capability to keep this directory alive, and nothing else.

        :return: None for one that lies in its capability, which no server stores
        """

    def list() -> Deferred[dict[str, Any]]:
        """Return all children: name to node."""

    def has_child(name: str) -> Deferred[bool]:
        """Return whether there is a child of that name."""

    def get(name: str) -> Deferred[Any]:
        """Return the node of the child of that name."""

    def get_child_at_path(path: str | Sequence[str]) -> Deferred[Any]:
        """Return the node found by following *path* from here, one ``get`` a step.

        :param path: the empty path is this node itself
        :raises NoSuchChildError: (from the Deferred) it names the step that failed
        """

    def set_uri(name: str, child_uri: str) -> Deferred[Any]:
        """Put a child in place by its capability, replacing any of that name.

        :param child_uri: of a file or a directory, read-write or read-only
        """

    def set_node(name: str, child: Any) -> Deferred[Any]:
        """Put *child* in place, replacing any of that name; fires with *child*."""

    def add_file(name: str, uploadable: Any) -> Deferred[Any]:
        """Upload a file and put it in place as a child.

        :param uploadable: an :class:`~allmydata.interfaces.IUploadable`
        :return: fires with the new child, an :class:`~allmydata.interfaces.IFileNode`
        """

    def delete(name: str) -> Deferred[Any]:
        """Take the child of that name out. What it names lives on for whoever holds it."""

    def create_empty_directory(name: str) -> Deferred[Any]:
        """Make a new directory and put it in place; fires with its node."""

    def move_child_to(
        current_child_name: str, new_parent: Any, new_child_name: str | None = None
    ) -> Deferred[Any]:
        """Take a child out of here and put it in *new_parent*, replacing any of that name.

        :param new_parent: an :class:`IDirectoryNode` that may be changed
        :param new_child_name: its name there; the present one where absent
        """

    def build_manifest() -> Deferred[set[str]]:
        """Return the refresh capabilities of all that can be reached, this included.

        Directories may hold each other; each is visited once.
        """


class IVirtualDrive(Interface):
    """The roots, and the way from a path or a capability to a node.

    A node's service ``vdrive``: ``client.getService("vdrive")``.
    """

    def have_public_root() -> bool:
        """Return whether :meth:`get_public_root` can work."""

    def get_public_root() -> Deferred[Any]:
        """Return the :class:`IDirectoryNode` that everybody on this grid shares."""

    def have_private_root() -> bool:
        """Return whether :meth:`get_private_root` can work."""

    def get_private_root() -> Deferred[Any]:
        """Return the :class:`IDirectoryNode` that is this client's own root."""

    def get_node_at_path(path: str | Sequence[str]) -> Deferred[Any]:
        """Return the node at *path*, from the private root if it begins with ``~``.

        Any other path begins at the public root: ``"/a/b"``, ``"a/b"`` and
        ``["a", "b"]`` are the same.

        :raises NoSuchChildError: (from the Deferred) there is none
        """

    def get_node(uri: Any) -> Deferred[Any]:
        """Return the node that a capability names.

        One of a kind this version does not know gives a node that can only be put into
        directories, and says ``unknown`` as its ``kind``.

        :param uri: ``str``, or an :class:`~allmydata.interfaces.IURI`
        :raises BadCapError: (from the Deferred) it is mistyped, or no capability at all
        """

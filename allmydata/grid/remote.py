"""Calls to other nodes: one way in, and foolscap's errors made ours.

No text made here quotes a RemoteReference or a ``Violation``: both hold the address
of the thing called, and who knows the address may use the thing.
"""

from __future__ import annotations

from typing import Any

from foolscap.api import DeadReferenceError, RemoteException, Violation
from OpenSSL.SSL import Error as TLSError
from twisted.internet.error import ConnectionDone, ConnectionLost

from allmydata.errors import ServerLostError, ServerRefusedError

LOST = (DeadReferenceError, ConnectionDone, ConnectionLost, TLSError)


async def call(rref: Any, name: str, *args: Any) -> Any:
    """Ask the RemoteReference *rref* for *name* and return its answer.

    It waits as long as the connection lives: the caller sets a limit, or asks somebody
    else meanwhile.

    :raises ServerLostError: the connection broke before the answer came
    :raises ServerRefusedError: the answer was an error, whose type is in ``why``, or the
        call or its answer does not fit the interface
    """
    try:
        return await rref.callRemote(name, *args)
    except LOST as e:
        raise ServerLostError(f"the connection to a server broke during {name}") from e
    except RemoteException as e:
        raise ServerRefusedError(f"a server refused {name}", why=error_type(e)) from e
    except Violation as e:
        why = "the call or its answer does not fit the interface"
        raise ServerRefusedError(f"a server could not be asked for {name}", why=why) from e


def error_type(e: RemoteException) -> str:
    """Return the name of the class that was raised there, such as ``IndexError``."""
    name = getattr(e.failure, "type", "")
    if isinstance(name, type):
        name = name.__name__
    return str(name).rpartition(".")[2][:60] or "unknown error"


def serves(rref: Any, interface: Any) -> bool:
    """Tell whether the thing behind *rref* says that it serves *interface*.

    Only then does foolscap check the answers against the interface's schema, so no
    reference that came from elsewhere is used before this was asked.
    """
    tracker = getattr(rref, "tracker", None)
    return tracker is not None and tracker.interface is interface

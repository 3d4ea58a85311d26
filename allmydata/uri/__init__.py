"""Capabilities: names that are also the right to use what they name.

    URI:CHK:<key>:<uri extension hash>:<k>:<n>:<size>            read a file
    URI:CHK-Verifier:<storage index>:<hash>:<k>:<n>:<size>       check and repair it
    URI:LIT:<the whole content>                                  files of 55 bytes or fewer
    URI:SSK:<write key>:<fingerprint>                            change a file
    URI:SSK-RO:<read key>:<fingerprint>                          read it
    URI:SSK-Verifier:<storage index>:<fingerprint>               check it
    URI:MDMF:…  URI:MDMF-RO:…  URI:MDMF-Verifier:…               files of many segments
    URI:DIR:<furl>:<write key>                                   change a directory
    URI:DIR-RO:<furl>:<read key>                                 read it
    URI:DIR2:…  URI:DIR2-RO:…  URI:DIR2-CHK:…  and more          directories in files

:func:`from_string` is the only parser.  Whoever sees a capability has its authority, so
none of its parts is ever in an error's text.  Import names from here.
Format: docs/formats/uri.md.
"""

from __future__ import annotations

from allmydata.uri.dir2 import Dir2URI, Dir2VerifierURI
from allmydata.uri.directories import DirnodeURI, ReadOnlyDirnodeURI
from allmydata.uri.files import CHKFileURI, CHKFileVerifierURI, LiteralFileURI
from allmydata.uri.kinds import UnknownURI
from allmydata.uri.mutable import (
    MDMF,
    SDMF,
    MutableFileURI,
    MutableFileVerifierURI,
    ReadOnlyMutableFileURI,
)
from allmydata.uri.text import MAX_CAP_SIZE, Cap, from_string

Directory = DirnodeURI | ReadOnlyDirnodeURI | Dir2URI  # whatever can be listed

LITERAL_LIMIT = 55  # bytes; longer content is stored as shares

__all__ = [
    "LITERAL_LIMIT",
    "MAX_CAP_SIZE",
    "MDMF",
    "SDMF",
    "CHKFileURI",
    "CHKFileVerifierURI",
    "Cap",
    "Dir2URI",
    "Dir2VerifierURI",
    "Directory",
    "DirnodeURI",
    "LiteralFileURI",
    "MutableFileURI",
    "MutableFileVerifierURI",
    "ReadOnlyDirnodeURI",
    "ReadOnlyMutableFileURI",
    "UnknownURI",
    "from_string",
]

"""A storage grid that people own.

A client encrypts a file, cuts it into n shares of which any k bring it back,
seals everything under Merkle trees, and hands the shares to storage servers
that can neither read nor alter them.  The house has floors: a package imports
only from those below it.  ``docs/tour.md`` walks through them in reading order.
"""

__version__ = "0.1.0"

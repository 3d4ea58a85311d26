"""The HTTPS storage protocol, the client's side.

    tls           a server is who its NURL says, or nothing is sent to it
    answer        what a server answers, taken together
    connection    one connection, one request at a time
    pool          the few connections to one server
    storage       HttpStorage: the calls of an RIStorageServer, as requests
    shares        one share, written or read
    link          looks for a server at its NURLs, and sees when it is gone

Protocol: docs/protocols/https.md.
"""

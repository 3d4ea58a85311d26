"""The HTTPS storage protocol, the server's side.

    tls           who the server is, and who a client is that says so
    connection    one connection: requests in, answers out, in order
    body          what a client sends behind a head, as it comes
    site          who is let in; which request is which call
    calls         what each request does
    uploads       shares being written: their secrets, and bytes as they come
    visitors      whose connections there are, so that a lost client's uploads end

Protocol: docs/protocols/https.md.
"""

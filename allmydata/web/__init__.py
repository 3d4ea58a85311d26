"""The gateway: files over HTTP, for programs and browsers on this machine."""

"""Every byte layout we write: one file is one page of docs/formats."""

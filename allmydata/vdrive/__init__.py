"""Names for files: directories on vdrive servers, and the drive they make together."""

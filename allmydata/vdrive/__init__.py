"""Names for files: directories on vdrive servers and in files, and the drive they make."""

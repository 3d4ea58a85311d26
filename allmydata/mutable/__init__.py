"""Files whose content can change: SDMF and MDMF, read, written and mended."""

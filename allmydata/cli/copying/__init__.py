"""Files and trees on their way between this machine and the grid: ``cp`` and ``backup``."""

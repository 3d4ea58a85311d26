"""Packaging: what is installed, under which names, with which libraries."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "allmydata/__init__.py").read_text(), re.M
).group(1)

setup(
    name="allmydata",
    version=VERSION,
    description="A storage grid that people own",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="GPL-2.0-or-later",
    python_requires=">=3.11",
    # modules of doors that programs import by a name of their own
    package_dir={"wrpme": "allmydata/doors/wrpme"},
    packages=[*find_packages(include=["allmydata", "allmydata.*"]), "wrpme"],
    package_data={
        "allmydata.web": ["templates/*.html", "static/*"],
        "allmydata.node.demo": ["film.webm"],
    },
    install_requires=[
        "Twisted>=26.10,<27",
        "foolscap>=24.9,<25",
        "zfec>=1.6,<1.7",
        "cryptography>=48,<49",
        "zope.interface>=8",
        "attrs>=26",
        "click>=8.5,<9",
        "rich>=15",
        "psutil>=7",
        "pyeclib>=1.8",
        "cffi>=2",
        "PyYAML>=6",
        "service-identity>=24",
        "jinja2>=3.1",
    ],
    extras_require={
        "dev": [
            "ruff",
            "mypy",
            "mypy-zope",
            "import-linter",
            "pytest",
            "pytest-twisted",
            "pytest-xdist",
            "hypothesis",
            "cbor2>=6",
            "prometheus_client>=0.26,<0.27",
            "playwright",
            "build",
            "py-spy>=0.4",
            "types-PyYAML",
            "types-psutil",
        ],
    },
    entry_points={
        "console_scripts": [
            "tahoe = allmydata.cli.main:main",
            "git-annex-backend-XTAHO = allmydata.doors.annex.xtahoe:main",
            "git-annex-backend-XTAHOE = allmydata.doors.annex.xtahoe:main",
            "git-annex-remote-tahoegrid = allmydata.doors.annex.program:main",
        ],
    },
)

"""What one command's process does. Importing the relay takes longer than most commands, so processes are forked off
one that did it already."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from relay.cli import main


def run(words: Sequence[str], environ: Mapping[str, str], folder: str, streams: Sequence[str]) -> None:
    """`relay WORDS` in `folder`; `streams` are files for standard input, output and error."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for number, name in enumerate(streams):
        os.dup2(os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY), number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = ["relay", *words]
    code = main()
    sys.stdout.flush()
    sys.exit(code)

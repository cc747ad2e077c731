"""bin/requirements: compiles both files for every platform and Python from 3.11 on, with hashes.

Pins that still fit stay as they are. `--upgrade` (or `--upgrade-package NAME`) takes what is new.
"""

import os
import shutil
import subprocess
import sys

from environment import ROOT

OPTIONS = (
    "--generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --quiet"
)


def main() -> int:
    os.chdir(ROOT)
    if not shutil.which("uv"):
        print("bin/requirements needs uv: https://docs.astral.sh/uv/ (or: pip install uv).", file=sys.stderr)
        return 1
    for name in ("requirements", "requirements-dev"):  # the second is held to the pins of the first
        command = [
            "uv",
            "pip",
            "compile",
            *OPTIONS.split(),
            *sys.argv[1:],
            f"{name}.in",
            "--output-file",
            f"{name}.txt",
        ]
        if status := subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())

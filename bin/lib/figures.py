"""bin/bench: `python -m bench` in .venv, out of reach of a real relay's settings."""

import os
import sys

from environment import OURS, ROOT

if __name__ == "__main__":
    os.chdir(ROOT)
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    os.execve(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]], env)

"""The figures: what the relay does, beside small honest programs that do the same the plain way."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "bin" / "lib"))  # what starts and stops processes for bin/run does so here

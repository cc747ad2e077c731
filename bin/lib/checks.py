"""bin/lint: what can be said about the code without running it. Exit status 1 when anything is wrong."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 300  # lines of a Python file outside tests/: what is longer is two things
Check = Callable[[], str]  # what is wrong, or ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/lint", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="first let ruff mend and format what it can")
    parser.add_argument("--audit", action="store_true", help="also look for known vulnerabilities (needs a network)")
    given = parser.parse_args()
    os.chdir(ROOT)
    if given.fix:
        for step in (("check", "--fix", "--quiet", "--exit-zero"), ("format", "--quiet")):
            tool("ruff", *step)()
    checks: dict[str, Check] = {
        "format": tool("ruff", "format", "--check", "--quiet", "--output-format=concise"),
        "ruff": tool("ruff", "check", "--quiet", "--output-format=concise"),
        "mypy": tool("mypy", "--no-error-summary"),
        "imports": tool("lint-imports"),
        "dependencies": tool("deptry", "--no-ansi", ".", "bin/lib"),
        "run bits": run_bits,
        "file length": file_length,
    }
    if given.audit:
        for name in ("requirements.txt", "requirements-dev.txt"):
            checks[f"audit {name}"] = tool("pip-audit", "--disable-pip", "--require-hashes", "-r", name)
    wrong = 0
    for name, check in checks.items():
        began = time.monotonic()
        found = check().rstrip()
        wrong += bool(found)
        print(f"{'✗' if found else '✓'} {name:<26}{time.monotonic() - began:5.1f} s", flush=True)
        if found:
            print(f"{found}\n", flush=True)
    return 1 if wrong else 0


def tool(*command: str) -> Check:
    def run() -> str:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return (done.stdout or f"{command[0]} ended with {done.returncode}") if done.returncode else ""

    return run


def run_bits() -> str:
    """What a person or a pipeline calls must be executable, also in the next clone."""
    called = [path for path in (ROOT / "bin").iterdir() if path.is_file()] + [ROOT / ".ci" / "run"]
    lost = [path for path in called if not os.access(path, os.X_OK)]
    modes = subprocess.run(["git", "ls-files", "-s", "bin", ".ci"], capture_output=True, text=True, check=False).stdout
    for line in modes.splitlines():  # nothing, where this is no git checkout
        mode, name = line.split()[0], ROOT / line.partition("\t")[2]
        if name in called and mode != "100755":
            lost.append(name)
    return "\n".join(f"{path.relative_to(ROOT)} is not executable: git add --chmod=+x" for path in sorted(set(lost)))


def file_length() -> str:
    files = [
        *ROOT.glob("*.py"),
        *(path for top in ("relay", "sandbox", "bench", "bin") for path in (ROOT / top).rglob("*.py")),
    ]
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    return "\n".join(
        f"{path.relative_to(ROOT)} has {length} lines; {BUDGET} are enough for one thing"
        for path, length in sorted(lengths.items())
        if length > BUDGET
    )


if __name__ == "__main__":
    sys.exit(main())

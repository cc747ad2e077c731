"""bin/relay [--demo] …: `python -m relay …` with the keys, database and queue that bin/run uses here."""

import os
import sys

import environment


def main() -> None:
    arguments = sys.argv[1:]
    demo = arguments[:1] == ["--demo"]
    data = environment.data_folder(demo)
    if demo and not environment.running(data):
        sys.exit("No demonstration runs here: start one with bin/run --demo.")
    env = environment.environment(data, demo)
    # The folder stays the one it was called from, for the files its arguments name.
    env["PYTHONPATH"] = str(environment.ROOT)
    os.execve(sys.executable, [sys.executable, "-m", "relay", *arguments[demo:]], env)


if __name__ == "__main__":
    main()

"""bin/run: everything the relay is made of, on this machine."""

import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import closing
from pathlib import Path

import embedded
import environment
import first_user
import ports
from honcho.environ import parse_procfile
from honcho.printer import Printer
from processes import Processes, Stopped, stoppable

PATIENCE = {"web": 12, "clock": 5, "worker": 25}  # seconds to stop in; a worker may be in a long call
ORDER = ("worker", "clock", "web")  # started in this order and stopped in the other: first, no more requests
Env = dict[str, str]


def main() -> int:
    given = arguments()
    os.chdir(environment.ROOT)
    data = environment.data_folder(given.demo)
    try:
        with environment.only_copy(data) as note, stoppable():
            if given.demo:
                clear(data)
            return Start(given, data, note).run()
    except environment.AlreadyRunning:
        other = environment.running(data)
        where = f": {other['address']} (process {other['pid']})" if other else "; it is just starting or stopping"
        print(f"The relay of this folder runs already{where}.", file=sys.stderr)
        return 1
    except Stopped as stopped:
        return 128 + stopped.number


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/run",
        description="Runs the relay here; with --demo, against a simulated EngagementHQ and Campaign Monitor.",
    )
    parser.add_argument("--port", type=int, help="for the pages: $PORT, else 8000; the next free one if that is taken")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--demo", action="store_true", help="with both systems simulated; its data is in var/demo")
    demo = parser.add_argument_group("with --demo")
    demo.add_argument("--people", type=int, default=2000, metavar="N", help="how many to invent (default 2000)")
    demo.add_argument("--once", action="store_true", help="send 25 events, compare both sides, end; 0: all agree")
    demo.add_argument("--unconnected", action="store_true", help="start everything, connect nothing")
    given = parser.parse_args()
    if not given.demo and (given.once or given.unconnected):
        parser.error("--once and --unconnected need --demo")
    if given.once and given.unconnected:
        parser.error("--once compares what is connected: leave out --unconnected")
    if given.people < 1:
        parser.error("--people: at least 1")
    return given


def clear(data: Path) -> None:
    """A demonstration begins afresh, as the simulated systems do. Only the file with the lock stays."""
    for path in data.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != environment.RUNNING:
            path.unlink()


class Start:
    def __init__(self, given: argparse.Namespace, data: Path, note: Path) -> None:
        self.given, self.data, self.note = given, data, note
        self.log = data / "relay.log" if given.demo else None  # the terminal is the demonstration's own
        output = self.log.open("a", encoding="utf-8", errors="replace") if self.log else sys.stdout
        self.processes = Processes(Printer(output))

    def run(self) -> int:
        try:
            return self.everything()
        except Stopped as stopped:
            print(f"\n{signal.Signals(stopped.number).name}: stopping every process …", file=sys.stderr)
            raise
        except (RuntimeError, OSError) as error:  # of requests, too
            self.complain(str(error))
            return 1
        finally:
            self.processes.stop()

    def everything(self) -> int:
        env = environment.environment(self.data, self.given.demo)
        wanted = self.given.port or port_of(env)
        port, holder = ports.hold(self.given.host, wanted)
        with closing(holder):
            if port != wanted:
                print(f"Port {wanted} is taken; using {port}.")
            host = "127.0.0.1" if self.given.host == "0.0.0.0" else self.given.host
            address = f"http://{host}:{port}"
            env["PORT"] = str(port)
            env.setdefault("RELAY_BASE_URL", address)
            # gunicorn.conf.py listens to the world, as a Procfile in production must; here it shall not.
            env["GUNICORN_CMD_ARGS"] = f"{env.get('GUNICORN_CMD_ARGS', '')} --bind {self.given.host}:{port}".strip()
            simulated = self.simulators() if self.given.demo else {}
            instead = in_place_of_campaign_monitor(simulated)
            env |= instead
            self.relay(env)
            self.wait_for(address, "/healthz", 60)
            self.note.write_text(json.dumps({"pid": os.getpid(), "address": address, "simulated": instead}))
            self.tell(address, simulated, env)
            if simulated and not self.given.unconnected:
                once = ["--once"] if self.given.once else []
                command = [sys.executable, str(Path(__file__).with_name("demo.py")), *simulated.values(), *once]
                self.processes.start("demo", command, env, terminal=True)
            ended = self.processes.ended()
            if ended and ended.name == "demo" and (self.given.once or ended.status):
                return ended.status if ended.status >= 0 else 1
            raise RuntimeError(f"{ended}; stopping the others.")

    def relay(self, env: Env) -> None:
        """The embedded queue, then the Procfile: release to its end, then everything else."""
        if environment.uses_embedded_queue(self.data, env):
            embedded.start(self.processes, environment.socket_path(self.data), self.data / "queue")
        commands = parse_procfile(Path("Procfile").read_text()).processes
        if status := self.processes.run("release", shell(commands["release"]), env):
            raise RuntimeError(f"`{commands['release']}` failed with exit status {status}; its message is above.")
        for name in ORDER:
            self.processes.start(name, shell(commands[name]), env, PATIENCE[name], again=True)

    def simulators(self) -> dict[str, str]:
        """Their addresses."""
        addresses = {}
        for kind, more in (("ehq", ["--people", str(self.given.people)]), ("campaign-monitor", [])):
            port = ports.any_free()
            command = [sys.executable, "-m", "sandbox", kind, "--port", str(port), *more]
            self.processes.start("sandbox", command, patience=5)
            addresses[kind] = f"http://127.0.0.1:{port}"
            self.wait_for(addresses[kind], "/sandbox/", 60 + self.given.people / 1000)
        return addresses

    def wait_for(self, address: str, path: str, seconds: float) -> None:
        """Until it answers at all; what it answers is not ours to judge."""
        give_up = time.monotonic() + seconds
        while True:
            try:
                connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)
                with closing(connection):
                    connection.request("GET", path)
                    connection.getresponse().read()
                    return
            except (OSError, http.client.HTTPException):
                pass
            if ended := self.processes.ended(wait=0.1):
                raise RuntimeError(f"{ended} before {address} answered.")
            if time.monotonic() > give_up:
                raise RuntimeError(f"{address} did not answer within {seconds:.0f} s.")

    def tell(self, address: str, simulated: dict[str, str], env: Env) -> None:
        rows = [("The relay's pages", f"{address}/")]
        link = self.setup_link(env)
        if link and simulated:
            rows += [("Log in as", f"{first_user.ADDRESS}, password {first_user.make(link)}")]
        elif link:
            rows += [("Set-up link, for one use", link)]
        if simulated:
            rows += [("Simulated EngagementHQ", f"{simulated['ehq']}/sandbox/")]
            rows += [("Simulated Campaign Monitor", f"{simulated['campaign-monitor']}/sandbox/")]
        if simulated and self.given.unconnected:
            rows += [("Connect, and type there", f"{simulated['ehq']} with the API key sandbox; all else is shown")]
        rows += [("Command line", "bin/relay --demo status" if simulated else "bin/relay --help")]
        rows += [("Log", str(self.log))] if self.log else [("Data and keys", str(self.data))]
        rows += [("Stop", "Ctrl-C")]
        print("\n" + "\n".join(f"  {name:<28}{value}" for name, value in rows) + "\n", flush=True)

    def setup_link(self, env: Env) -> str | None:
        """Where the first administrator is made, while there is none."""
        command = [sys.executable, "-m", "relay", "user", "setup-link", "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`relay user setup-link` ended with {done.returncode}: {done.stderr}")
        link: str | None = json.loads(done.stdout)["setup_url"]
        return link

    def complain(self, text: str) -> None:
        if self.log:
            with self.log.open(encoding="utf-8", errors="replace") as lines:
                print("".join(deque(lines, maxlen=20)), end="", file=sys.stderr)
            text += f" The whole log: {self.log}"
        print(text, file=sys.stderr)


def in_place_of_campaign_monitor(simulated: dict[str, str]) -> Env:
    """The settings by which a demonstration, its command line included, never meets the real one."""
    if not simulated:
        return {}
    address = simulated["campaign-monitor"]
    urls = {"CAMPAIGN_MONITOR_API_URL": f"{address}/api/v3.3", "CAMPAIGN_MONITOR_OAUTH_URL": f"{address}/oauth"}
    return {**urls, "CAMPAIGN_MONITOR_CLIENT_ID": "sandbox", "CAMPAIGN_MONITOR_CLIENT_SECRET": "sandbox"}


def port_of(env: Env) -> int:
    try:
        return int(env.get("PORT", "8000"))
    except ValueError:
        sys.exit("PORT is not a number.")


def shell(command: str) -> list[str]:
    """As a platform runs a line of a Procfile; exec, so that the process is the command and not the shell."""
    return ["/bin/sh", "-c", f"exec {command}"]


if __name__ == "__main__":
    sys.exit(main())

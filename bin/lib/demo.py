"""The demonstration: demo.py EHQ-ADDRESS CAMPAIGN-MONITOR-ADDRESS [--once].

It uses the relay as a person would, by its command line, and the simulators by their own addresses.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from typing import Any

import requests
from compare import Check, compare
from rich.console import Console
from rich.markup import escape
from rich.table import Table

LIST = "EHQ participants (demonstration)"
PATIENCE = 120  # seconds until nobody may wait any more

# What people and administrators do, how often, and how it reads.
ACTIONS: list[tuple[int, str, dict[str, Any]]] = [
    (12, "registered", {"action": "register", "confirmed": True}),
    (2, "answered anew", {"action": "answer", "question": 13}),
    (2, "answered anew", {"action": "answer", "question": 14}),
    (2, "was tagged", {"action": "tag"}),
    (2, "joined the panel", {"action": "group_add"}),
    (1, "changed address", {"action": "change_email", "confirmed": True}),
    (1, "unsubscribed", {"action": "unsubscribe"}),
    (1, "was blocked", {"action": "block"}),
    (1, "activated", {"action": "activate"}),
    (1, "became an administrator", {"action": "role"}),
]
EVENTS = [action for action in ACTIONS for _ in range(action[0])]  # 25

console = Console(highlight=False, soft_wrap=True)
web = requests.Session()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("ehq")
    parser.add_argument("cm")
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    try:
        connection = connect(given.ehq)
        first_sync(connection)
        return once(given.ehq, given.cm, connection) if given.once else for_ever(given.ehq, given.cm)
    except (Failed, requests.RequestException) as error:
        console.print(f"[red]The demonstration stops:[/red] {escape(str(error))}")
        return 1


class Failed(Exception):
    pass


class Impossible(Failed):
    """Nobody is there whom this can happen to."""


def relay(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "relay", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if done.returncode != 0 or not isinstance(answer, dict):
        raise Failed(f"`relay {' '.join(arguments[:2])}` ended with {done.returncode}: {done.stderr or done.stdout}")
    return answer


def ask(url: str, **query: Any) -> Any:
    reply = web.get(url, params=query, timeout=60)
    reply.raise_for_status()
    return reply.json()


def tell(url: str, what: dict[str, Any]) -> Any:
    reply = web.post(url, json=what, timeout=60)
    if not reply.ok:
        kind = Impossible if reply.status_code == 400 else Failed
        raise kind(f"{url} answered {reply.status_code}: {reply.text[:300]}")
    return reply.json()


def connect(ehq: str) -> str:
    made = relay(
        *("connection", "add", "--name", "Demonstration", "--list-name", LIST),
        *("--ehq-url", ehq, "--ehq-token", "sandbox", "--cm-api-key", "sandbox"),
    )
    hook = {"url": made["webhook_url"], "secret": made["webhook_secret"], "profile": "standard", "enabled": True}
    tell(f"{ehq}/sandbox/webhook", hook)
    console.print(f"Connected. EngagementHQ sends its webhooks to {made['webhook_url']}, signed.")
    return str(made["connection"])


def first_sync(connection: str) -> None:
    """In the terminal, for its progress bar."""
    console.print("The first run:")
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "relay", "reconcile", connection, "--wait"], check=False)
    if done.returncode != 0:
        raise Failed(f"`relay reconcile` ended with {done.returncode}.")
    console.print(f"Complete after {time.monotonic() - began:.1f} s.\n")


def act(ehq: str, what: dict[str, Any]) -> str:
    """Do it to anyone; whose address it was about."""
    if what["action"] == "group_add":  # the simulator does not say whom it chose: choose here
        people = ask(f"{ehq}/sandbox/people.json")["people"]
        participants = [one for one in people if one["attributes"]["role-name"] == "participant"]
        if not participants:
            raise Impossible("There are no participants.")
        person = random.choice(participants)
        tell(f"{ehq}/sandbox/act", {**what, "id": person["id"]})
        return str(person["attributes"]["email"])
    return str(tell(f"{ehq}/sandbox/act", what)["people"][0]["email"])


def happens(ehq: str, what: str, action: dict[str, Any]) -> tuple[str, str]:
    """Whose address it was about, and what happened. Where it can happen to nobody, which is so among a few people,
    somebody registers instead."""
    try:
        return act(ehq, action), what
    except Impossible:
        _, instead, register = ACTIONS[0]
        return act(ehq, register), instead


class Arrivals:
    """What Campaign Monitor is told, and how long after it happened in EngagementHQ."""

    def __init__(self, cm: str) -> None:
        self.url, self.seen = f"{cm}/sandbox/arrivals.json", 0
        self.expected: dict[str, tuple[float, str]] = {}
        self.new()

    def new(self) -> list[dict[str, Any]]:
        found = ask(self.url, since=self.seen)
        self.seen = found["last"]
        return list(found["arrivals"])

    def expect(self, email: str, what: str) -> None:
        self.expected[email.lower()] = (time.time(), what)

    def show(self) -> None:
        for one in self.new():
            at, what = self.expected.pop(str(one["email"]).lower(), (None, "changed"))
            after = f"[green]{max(0.0, one['at'] - at):6.2f} s[/green]" if at else "        "
            console.print(
                f"{time.strftime('%H:%M:%S', time.localtime(one['at']))} {after}  {one['email']} {what}: {one['what']}"
            )


def for_ever(ehq: str, cm: str) -> int:
    arrivals = Arrivals(cm)
    console.print(
        "From here on people register, answer, join and leave. Each line is an arrival in Campaign Monitor, with"
    )
    console.print("the time since it happened in EngagementHQ. Ctrl-C ends it.\n")
    following = time.monotonic()
    while True:
        if time.monotonic() >= following:
            _, what, action = random.choice(EVENTS)
            try:
                arrivals.expect(act(ehq, action), what)
            except Impossible:
                pass
            following = time.monotonic() + random.uniform(0.5, 2.5)
        arrivals.show()
        time.sleep(0.2)


def once(ehq: str, cm: str, connection: str) -> int:
    arrivals = Arrivals(cm)
    for _, what, action in EVENTS:
        arrivals.expect(*happens(ehq, what, action))
        arrivals.show()
    console.print(f"{len(EVENTS)} events sent; waiting until nobody waits.")
    wait_until_quiet(ehq, connection, arrivals)
    [chosen] = [one for one in lists(cm) if one["Name"] == LIST]
    checks = compare(ask(f"{ehq}/sandbox/people.json"), ask(f"{cm}/sandbox/lists/{chosen['ListID']}.json"))
    return show(checks)


def wait_until_quiet(ehq: str, connection: str, arrivals: Arrivals) -> None:
    """Nothing on its way from EHQ, and nobody waiting, twice in a row."""
    quiet, give_up = 0, time.monotonic() + PATIENCE
    while quiet < 2:
        if time.monotonic() > give_up:
            raise Failed(f"after {PATIENCE} s somebody still waits: {relay('status', connection)}")
        time.sleep(0.5)
        on_their_way = ask(f"{ehq}/sandbox/deliveries.json")["pending"]
        quiet = quiet + 1 if on_their_way == 0 and relay("status", connection)["waiting"] == 0 else 0
        arrivals.show()


def lists(cm: str) -> list[dict[str, Any]]:
    def read(path: str) -> Any:
        reply = web.get(f"{cm}/api/v3.3{path}", auth=("sandbox", "x"), timeout=30)
        reply.raise_for_status()
        return reply.json()

    return [one for client in read("/clients.json") for one in read(f"/clients/{client['ClientID']}/lists.json")]


def show(checks: dict[str, Check]) -> int:
    table = Table(title="EngagementHQ and Campaign Monitor, person by person", title_justify="left")
    table.add_column("Compared")
    table.add_column("Number", justify="right")
    table.add_column("Differ", justify="right")
    for name, check in checks.items():
        table.add_row(
            name, f"{check.checked:,}", f"[red]{len(check.differences):,}[/red]" if check.differences else "0"
        )
    console.print(table)
    differences = [f"{name}: {one}" for name, check in checks.items() for one in check.differences]
    for line in differences[:20]:
        console.print(f"  [red]✗[/red] {escape(line)}")
    if len(differences) > 20:
        console.print(f"  … and {len(differences) - 20:,} more")
    console.print("[red]They differ.[/red]" if differences else "[green]All agree.[/green]")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())

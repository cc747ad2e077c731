"""What must be true of the list, from the rules about people alone. It knows nothing of the relay.

It is told what people did (in EHQ by what EHQ shows in the end, in Campaign Monitor as it happens) and is shown every
write that Campaign Monitor obeyed. It says who must be on the list in the end and with what, and what no careful
writer would ever have done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

LONGEST = 250


class Oracle:
    """`audience`: {"roles": those on the list, "activated_only": bool}, as a person set it; `bars`: whether they chose
    to have EHQ's opt-outs unsubscribed in CM, which only the person can undo (rule 2); `readings`: how often EHQ was
    read completely so far; `called`: whose an id is that the relay made up, where it reads a source without ids."""

    def __init__(
        self,
        audience: Mapping[str, Any],
        bars: bool,
        readings: Callable[[], int],
        called: Callable[[str, str], str] = lambda made_up, _: made_up,
    ) -> None:
        self.audience, self.bars, self.readings, self.called = audience, bars, readings, called
        self.holder: dict[str, str] = {}
        """Address → the EHQ id of the person whom the relay last put there."""
        self.out: dict[str, set[str]] = {}
        """An address at which somebody opted out → the people whose word that was."""
        self.removed: set[str] = set()
        """Addresses taken off the list by the relay and not by a person."""
        self.strangers: set[str] = set()
        self.unsure: set[str] = set()
        """Addresses about which the rules do not decide."""
        self.erased: set[str] = set()
        self.faithful: dict[str, str] = {}
        """EHQ id → address of whoever belonged on the list, at this address, ever since they were first seen in EHQ."""
        self.willing: set[str] = set()
        """Whoever was subscribed in EHQ ever since."""
        self.met: set[str] = set()
        self.vanished: dict[str, int] = {}
        """Who belonged and was deleted in EHQ without a word → how often EHQ had been read completely by then. Until
        somebody else has their address, who then holds it."""
        self.had: dict[str, str] = {}
        self.typed: set[str] = set()
        """Addresses that somebody typed in CM."""
        self.came: set[str] = set()
        """Who came to an address at which somebody opted out of whom no EHQ id tells: it may have been they. And who
        opted out at one that was subscribed again."""
        self.left: dict[str, str] = {}
        """Address → EHQ id of whom an earlier connection left on the list."""
        self.there: set[str] = set()
        """Everybody whom it left there."""
        self.twice: set[str] = set()
        """Whoever has come since then to another address that was on the list."""
        self.misled = False
        """Whether the relay was told wrongly what EHQ's words mean: until then it may remove whom it should not."""
        self.torn = False
        """Whether segments may stand there that a connection before this one made."""
        self.wrong: list[str] = []
        self.tried: Counter[str] = Counter()

    # What people do in EHQ, and with the relay.

    def observes(self, people: Mapping[str, Mapping[str, Any]]) -> None:
        """EHQ as it is now."""
        given = {one["email"].lower() for one in people.values()}
        self.vanished = {i: since for i, since in self.vanished.items() if self.had[i] not in given}
        for i in people.keys() - self.met:
            self.met.add(i)
            if not self.misled:
                self.faithful[i] = people[i]["email"].lower()
                self.willing.add(i)
        for i, address in list(self.faithful.items()):
            if i not in people or not self.belongs(people[i]) or people[i]["email"].lower() != address:
                del self.faithful[i]
        self.came |= {i for i, one in people.items() if self.out.get(one["email"].lower()) == set()}
        for address, i in self.left.items():
            if i in people and people[i]["email"].lower() in self.there - {address}:
                self.twice.add(i)
        self.willing -= {i for i in self.willing if i not in people or not people[i]["subscribed"]}

    def vanishes(self, i: str) -> None:
        """Deleted, and nobody tells."""
        if i in self.faithful:
            self.vanished[i], self.had[i] = self.readings(), self.faithful[i]

    def chooses(self, audience: Mapping[str, Any]) -> None:
        """Whom EHQ has no more may be outside by it: what they were is not known here."""
        self.audience = audience
        self.vanished.clear()

    def is_misled(self, misled: bool) -> None:
        """A person told the relay wrongly what EHQ's words mean, or corrected it: from then on it reads right."""
        self.misled = misled
        self.faithful.clear()
        self.willing.clear()
        self.vanished.clear()

    def puts_back(self) -> None:
        """A person undid what a run had removed: whoever is still missing is missed from the beginning."""
        for i in self.vanished:
            if self.had[i] in self.removed:
                self.vanished[i] = self.readings()

    def is_erased(self, i: str) -> None:
        """At their request: from then on nothing that EHQ says of this account counts."""
        self.erased.add(i)
        self.faithful.pop(i, None)
        self.vanished.pop(i, None)
        self.willing.discard(i)

    def is_let_in(self, i: str) -> None:
        """Whose an opt-out was is forgotten with the person; at the address it stands."""
        self.erased.discard(i)
        for whose in self.out.values():
            whose.discard(i)

    def forgotten(self, active: Collection[str]) -> None:
        """The connection is gone and another begins with the same list. Whose a subscriber is stands on them; whom the
        old one removed is still known, and no more."""
        self.strangers |= set(active) - self.holder.keys()
        self.left |= {address: self.holder[address] for address in active if address in self.holder}
        self.there = set(active)
        self.vanished.clear()
        self.torn = True

    # What people do in Campaign Monitor.

    def opts_out(self, address: str, kind: str = "") -> None:
        """Unsubscribed, bounced, complained, or deleted by hand: theirs, whatever EHQ says (rule 3). Who deletes one
        of their two by hand says nothing about them."""
        self.strangers.discard(address)
        self.removed.discard(address)
        whose = {self.holder[address]} if address in self.holder else set()
        others = {a for a, i in self.holder.items() if a != address and {i} == whose} - self.removed - self.out.keys()
        self.out.setdefault(address, set()).update(set() if kind == "delete" and others else whose)
        # Whether they were on the list twice by then, nothing tells who finds it.
        self.came |= whose if kind == "delete" and address in self.typed else set()

    def types(self, old: str, new: str) -> None:
        """Somebody's address is changed there: it is still they, whose the relay made the subscriber."""
        self.typed.add(new)
        for known in (self.holder, self.left):
            if old in known:
                known[new] = known.pop(old)

    def subscribes(self, address: str) -> None:
        """By CM's own form: the one way in which an opt-out ends. Whom EHQ does not want there is not decided."""
        if address in self.out or address in self.removed:
            self.unsure.add(address)
            self.came |= self.out.get(address, set())  # or another, who has the address by now
        elif address not in self.holder:
            self.strangers.add(address)
        self.out.pop(address, None)
        self.removed.discard(address)

    # What the relay does.

    def sees(self, write: Mapping[str, Any]) -> None:
        """One write that CM obeyed, with the state of each address before it."""
        if write.get("status") not in (200, 201, 400):  # 400 is also an import of which a part was taken
            return
        call, body, before = write["call"], write["body"], write["before"]
        self.tried[f"{write['method']} {call.rpartition('/')[2]}"] += 1
        if call.endswith("/import"):
            for entry in body["Subscribers"]:
                taken = entry["EmailAddress"].lower() not in write["refused"]
                self._put(entry, before, body.get("Resubscribe"), len(body["Subscribers"]), taken)
        elif write["method"] == "PUT":
            self._move(write["email"].lower(), body, before)
        elif write["method"] == "DELETE" or call.endswith("/unsubscribe"):
            address = (write["email"] or body.get("EmailAddress", "")).lower()
            state = before[address][0]
            if address not in self.holder:
                self._wrongs("removed somebody whom it never put there", address)
            if state not in ("Active", None):
                self._wrongs(f"removed somebody who was {state}", address)
            whose = self.holder.get(address, "")
            word = whose in set().union(*self.out.values())  # theirs at another address is theirs here
            if self.faithful.get(whose) == address and not word:
                self._wrongs("removed somebody who always belonged", address)
            if whose in self.vanished and self.readings() - self.vanished[whose] < 2:
                self._wrongs("removed somebody whom one complete run did not find", address)
            if call.endswith("/unsubscribe"):
                if not self.bars or whose in self.willing:
                    self._wrongs("unsubscribed somebody, which nobody chose", address)
                self.opts_out(address)
            elif state == "Active":
                self.removed.add(address)
                if word:  # whether it is an opt-out for whoever comes to this address is not decided
                    self.unsure.add(address)
        else:
            self._wrongs(f"made a call that no rule asks for: {write['method']} {call}", "")

    def _put(
        self, entry: Mapping[str, Any], before: Mapping[str, Any], resubscribe: bool, together: int, taken: bool
    ) -> None:
        address = entry["EmailAddress"].lower()
        state, suppressed = before[address]
        if resubscribe:
            if together > 1:
                self._wrongs("resubscribed several people in one call", address)
            if address in self.out or suppressed or state in ("Unsubscribed", "Bounced", "Unconfirmed"):
                self._wrongs(f"revived an opt-out ({state}, suppressed: {suppressed})", address)
            elif state == "Deleted" and address not in self.removed:
                self._wrongs("brought back somebody whom it had not removed", address)
        comes_in = state == "Active" or (state is None and not suppressed) or (resubscribe and not suppressed)
        if comes_in and taken:
            self._holds(address, entry)

    def _move(self, old: str, body: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        new = (body.get("EmailAddress") or old).lower()
        state, _ = before[old]
        if body.get("Resubscribe"):
            self._wrongs("resubscribed in an update", old)
        if old not in self.holder:
            self._wrongs("changed somebody whom it never put there", old)
        if new != old:
            there, suppressed = before[new]
            if there is not None:
                return  # CM refused: the new address is on the list already
            if suppressed and state == "Active":
                self._wrongs("moved somebody to an address that opted out", new)
            if old in self.out:
                self.out[new] = self.out.pop(old)
        if state == "Active":
            self.holder.pop(old, None)
            self._holds(new, body)

    def _holds(self, address: str, entry: Mapping[str, Any]) -> None:
        self.removed.discard(address)
        self.strangers.discard(address)  # EHQ gives this address to somebody, so the relay may take it over
        ids = [f["Value"] for f in entry.get("CustomFields", ()) if f["Key"].lower() == "[ehqid]" and f.get("Value")]
        self.holder[address] = self.called(str(ids[0]), address) if ids else self.holder.get(address, "")

    def _wrongs(self, what: str, address: str) -> None:
        self.wrong.append(f"The relay {what}: {address}")

    # How it must end.

    def belongs(self, person: Mapping[str, Any]) -> bool:
        """Everyone registered who is subscribed and not blocked, within the audience (rule 1)."""
        if not person["subscribed"] or person["blocked"] or not person["email"]:
            return False
        if self.audience.get("activated_only") and not person["confirmed"]:
            return False
        return person["role"] in self.audience["roles"]

    def expected(self, people: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Address → EHQ id of whoever must be Active, of everyone whom EHQ has: {id: {"email", "subscribed", "blocked",
        "confirmed", "role", …}}."""
        opted_out = set().union(*self.out.values())
        return {
            person["email"].lower(): i
            for i, person in people.items()
            if self.belongs(person) and i not in opted_out | self.erased and person["email"].lower() not in self.out
        }

    def judge(self, people: Mapping[str, Any], subscribers: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """What is not as it must be: `subscribers` is {address: {"state", "fields": {name: value}}}."""
        wrong = list(self.wrong)
        expected = self.expected(people)
        self.unsure |= {people[i]["email"].lower() for i in self.came & people.keys()}
        made_up = {a for a, one in subscribers.items() if str(one["fields"].get("EHQ ID", "")).startswith("csv-")}
        for address, i in self.left.items():
            # Who has gone since, was on the list twice, or is known by no id of EHQ's, is not decided.
            moved = i not in people or i in self.twice
            if address not in expected and (moved or address in made_up):
                self.unsure.add(address)
        for address in made_up & self.out.keys() if self.torn else ():
            self.unsure |= {people[i]["email"].lower() for i in self.out[address] & people.keys()}
        active = {address for address, one in subscribers.items() if one["state"] == "Active"}
        for address in sorted((active ^ (set(expected) | self.strangers)) - self.unsure):
            wrong.append(f"{address} is {'on' if address in active else 'not on'} the list")
        for address, one in subscribers.items():
            if self.called(str(one["fields"].get("EHQ ID", "")), address) in self.erased:
                wrong.append(f"{address}: data of somebody erased is kept")
        for address in sorted(active & set(expected)):
            held, person = subscribers[address]["fields"], people[expected[address]]
            held = {**held, "EHQ ID": self.called(str(held.get("EHQ ID", "")), address)}
            wrong += [f"{address}: {field}" for field in _differences(held, expected[address], person, self.torn)]
        return wrong


def _differences(held: Mapping[str, Any], ehq_id: str, person: Mapping[str, Any], torn: bool) -> list[str]:
    wrong = []
    if held.get("EHQ ID") != ehq_id:
        wrong.append(f"EHQ ID is {held.get('EHQ ID')} and not {ehq_id}")
    for name, want in (("Activated", person["confirmed"]), ("Blocked", person["blocked"])):
        if held.get(name) != ("Yes" if want else "No"):
            wrong.append(f"{name} is {held.get(name)}")
    if sorted(held.get("Tags") or []) != sorted(person["tags"]):
        wrong.append(f"Tags are {held.get('Tags')} and not {person['tags']}")
    # A group's option ends with its id in brackets, whatever the group was called when it was made. Of a source without
    # ids its name counts.
    options = [option.rpartition(" [") for option in held.get("Groups") or []]
    groups = {(name, i.rstrip("]")) for name, _, i in options}
    if not all(person["groups"] & set(known) for known in groups) or len(groups) != len(person["groups"]):
        wrong.append(f"Groups are {sorted(groups)} and not {sorted(person['groups'])}")
    called = Counter(labels[-1] for labels, *_ in person["answers"])
    for labels, value, kinds in person["answers"]:
        names = [label for label in labels if label in held]
        # An earlier connection, another question, or this one while of another kind, may have taken a field's name.
        taken = torn or kinds or called[labels[-1]] > 1
        names = [*(f"{label} ({n})" for label in labels for n in (2, 3)), *names] if taken else names[:1]
        if not any(_is(held.get(name), value) for name in names or [""]):
            wrong.append(f"{labels[-1]} is {[held.get(name) for name in names]} and not {value!r}")
    return wrong


def _is(held: Any, value: Any) -> bool:
    if isinstance(value, list):
        several = [held] if isinstance(held, str) and held else held or []
        return sorted(several) == sorted(value)
    if isinstance(held, list) and value:  # an export joins several; whether they are told apart is not known here
        return sorted(", ".join(held).split(", ")) == sorted(str(value).split(", "))
    # What is longer is cut; white space is not compared.
    text = "" if value is None else str(value).strip()
    return "".join(str(held or "").split()) in ("".join(cut.split()) for cut in (text[:LONGEST], _one_line(text)))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST]

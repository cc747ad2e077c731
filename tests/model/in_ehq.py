"""What happens in EHQ, and to the deliveries that tell of it."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import rule

from tests.model.history import NAMES, ROLES, History, by_api, picks

ACTS = ("update", "activate", "tag", "role")
ODD = ("two\nlines", "=1+1", "x" * 260, "🌳" * 130, " spaces ", '<b>bold</b> & "quoted", twice', "0", "-")
"""Answers of which something could be lost on the way."""
DAY = 86400.0


class InEhq(History):
    """`silent` events never arrive; the others lie in the tray until somebody carries them."""

    @rule(silent=st.booleans(), role=st.sampled_from(ROLES[:2]), confirmed=st.booleans())
    def registers(self, silent: bool, role: str, confirmed: bool) -> None:
        role = "participant" if self.by_hand else role
        self.world.in_ehq("register", silent=silent, role=role, confirmed=confirmed)
        self.tried("EHQ: register")

    @rule(act=st.sampled_from(["unsubscribe", "block", "delete"]), pick=picks, silent=st.booleans())
    def leaves_in_ehq(self, act: str, pick: int, silent: bool) -> None:
        who = self.person(pick)
        if act == "delete" and silent:
            self.vanishes(who)
        elif self.world.in_ehq(act, id=who, silent=silent):
            self.tried(f"EHQ: {act}")

    def vanishes(self, who: str) -> None:
        """Deleted, and nobody tells."""
        if self.world.in_ehq("delete", id=who, silent=True):
            self.tried("EHQ: delete, silently")
            self.oracle.vanishes(who)

    @rule(act=st.sampled_from(["subscribe", "unblock"]), pick=picks, silent=st.booleans())
    def comes_back_in_ehq(self, act: str, pick: int, silent: bool) -> None:
        left = [p for p in self.world.site.order if (p.blocked if act == "unblock" else not p.subscribed)]
        if left and self.world.in_ehq(act, id=str(left[pick % len(left)].id), silent=silent):
            self.tried(f"EHQ: {act}")

    leaves_in_ehq_twice_as_often, comes_back_in_ehq_twice_as_often = leaves_in_ehq, comes_back_in_ehq

    @rule(act=st.sampled_from(ACTS), pick=picks, silent=st.booleans())
    def something_changes_in_ehq(self, act: str, pick: int, silent: bool) -> None:
        if self.by_hand and act in ("role", "update"):  # by these an export tells who is who
            return
        if self.world.in_ehq(act, id=self.person(pick), silent=silent):
            self.tried(f"EHQ: {act}")

    @rule(pick=picks, silent=st.booleans(), confirmed=st.booleans())
    def changes_address(self, pick: int, silent: bool, confirmed: bool) -> None:
        if self.world.in_ehq("change_email", id=self.person(pick), confirmed=confirmed, silent=silent):
            self.tried("EHQ: change_email")

    @rule(one=picks, other=picks, silent=st.booleans())
    def two_swap_addresses(self, one: int, other: int, silent: bool) -> None:
        a, b = self.world.site.find(self.person(one)), self.world.site.find(self.person(other))
        if a is None or b is None or a is b or a.unconfirmed_email or b.unconfirmed_email:
            return
        if self.by_hand and abs(a.created_at - b.created_at) < DAY * 1000:  # exports do not tell them apart
            return
        first, second = a.email, b.email
        for who, new in ((a, f"for.a.moment{a.id}@example.com"), (b, first), (a, second)):
            self.world.in_ehq("change_email", id=str(who.id), new_email=new, confirmed=True, silent=silent)
        self.tried("EHQ: two swap addresses")

    @rule(pick=picks, other=picks, silent=st.booleans())
    def takes_a_freed_address(self, pick: int, other: int, silent: bool) -> None:
        a, b = self.world.site.find(self.person(pick)), self.world.site.find(self.person(other))
        if a is None or b is None or a is b or a.unconfirmed_email or b.unconfirmed_email:
            return
        if self.by_hand and abs(a.created_at - b.created_at) < DAY * 1000:  # exports do not tell them apart
            return
        freed = a.email
        self.world.in_ehq("change_email", id=str(a.id), confirmed=True, silent=silent)
        self.world.in_ehq("change_email", id=str(b.id), new_email=freed.upper(), confirmed=True, silent=silent)
        self.tried("EHQ: an address is freed and taken")

    @by_api
    @rule(silent=st.booleans())
    def registers_again_after_deletion(self, silent: bool) -> None:
        if self.world.in_ehq("reregister", silent=silent):
            self.tried("EHQ: reregister")

    @rule(pick=picks, silent=st.booleans(), joins=st.booleans())
    def panel_changes(self, pick: int, silent: bool, joins: bool) -> None:
        name = "group_add" if joins else "group_remove"
        if self.world.in_ehq(name, group="30", id=self.person(pick), silent=silent):
            self.tried(f"EHQ: {name}")

    @rule(
        how=st.sampled_from(["rename", "create", "rule", "delete"]),
        group=st.sampled_from(["7", "12", "15", "30", "31"]),
        name=st.sampled_from(NAMES),
        tag=st.sampled_from(["Renter", "Business"]),
        silent=st.booleans(),
    )
    def a_group_changes(self, how: str, group: str, name: str, tag: str, silent: bool) -> None:
        more = {
            "rename": {"group": group, "name": name},
            "create": {"name": name, "rule": {"tag": tag}},
            "rule": {"group": group, "rule": {"tag": tag}},
            "delete": {"group": group},
        }
        if (self.by_hand and how != "rule") or (group == "30" and how == "rule"):
            return
        before = len(self.world.tray.waiting)
        if self.world.in_ehq(f"group_{how}", silent=silent, **more[how]):
            while how == "delete" and len(self.world.tray.waiting) > before:
                self.world.carry(self.world.tray.waiting.pop())
            self.tried(f"EHQ: group_{how}")

    @rule(
        how=st.sampled_from(["add", "remove", "relabel", "option"]),
        question=st.integers(10, 20),
        kind=st.sampled_from(["text", "radio", "checkbox", "number", "date"]),
        word=st.sampled_from(["Your", "The", "Our"]),
        silent=st.booleans(),
    )
    def the_form_changes(self, how: str, question: int, kind: str, word: str, silent: bool) -> None:
        there = {q.id: q for q in self.world.site.questions}
        label = there[question].label if question in there else ""
        if how == "add":
            done = self.world.in_ehq("form_add_question", type=kind, silent=silent)
        elif how == "remove":
            done = self.world.in_ehq("form_remove_question", question=str(question), silent=silent)
        elif how == "relabel":
            new = f"{word} {label.partition(' ')[2] or label}"
            done = new != label and self.world.in_ehq(
                "form_rename_question", question=str(question), label=new, silent=silent
            )
            if done:
                self.world.labels.setdefault(question, []).append(label)
        else:
            options = there[question := 13 + question % 2].options
            done = not self.by_hand and self.world.in_ehq(
                "form_retype_question",
                question=str(question),
                options=(*options, f"Other {len(options)}"),
                silent=silent,
            )
        if done:
            self.tried(f"EHQ: the form changes ({how})")

    @by_api
    @by_api
    @rule(question=st.sampled_from([15, 18]), silent=st.booleans())
    def a_question_changes_its_kind(self, question: int, silent: bool) -> None:
        """To a text, and back."""
        was = {q.id: q.type for q in self.world.site.questions}[question]
        kind = {15: "date", 18: "number"}[question] if was == "text" else "text"
        if was != "removed" and self.world.in_ehq(
            "form_retype_question", question=str(question), type=kind, silent=silent
        ):
            self.world.retyped.add(question)
            self.tried("EHQ: the form changes (kind)")

    @rule(question=st.integers(12, 19), pick=picks, silent=st.booleans(), odd=st.sampled_from([None, "", *ODD]))
    def somebody_answers(self, question: int, pick: int, silent: bool, odd: str | None) -> None:
        """With something of the question's kind; with nothing; or with text of which something could be lost."""
        more = {} if odd is None else {"value": odd or None}
        question = 17 if odd else question
        if self.world.in_ehq("answer", id=self.person(pick), question=str(question), silent=silent, **more):
            self.tried("EHQ: an odd answer" if odd else "EHQ: answer")

    # Deliveries: in any order, late, twice, or never.

    @rule(pick=picks)
    def one_delivery_arrives(self, pick: int) -> None:
        if tray := self.world.tray.waiting:
            self.world.carry(tray.pop(pick % len(tray)))
            self.tried("a delivery arrives" if not pick else "a delivery arrives out of turn")

    @rule()
    def all_deliveries_arrive(self) -> None:
        self.tried("all deliveries arrive in turn")
        while self.world.tray.waiting:
            self.world.carry(self.world.tray.waiting.pop(0))

    @rule(pick=picks)
    def one_delivery_is_lost(self, pick: int) -> None:
        if tray := self.world.tray.waiting:
            tray.pop(pick % len(tray))
            self.tried("a delivery is lost")

    @rule(pick=picks)
    def one_delivery_arrives_again(self, pick: int) -> None:
        if carried := self.world.tray.carried:
            self.world.carry(carried[pick % len(carried)])
            self.tried("a delivery arrives again")

    @rule(days=st.sampled_from([0.001, 0.04, 1.0, 3.0, 16.0]))
    def time_passes(self, days: float) -> None:
        self.world.later(days * DAY)
        self.tried(f"{days * 24:.0f} hours pass" if days >= 0.04 else "minutes pass")

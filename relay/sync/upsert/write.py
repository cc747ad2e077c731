"""Makes Campaign Monitor agree about whoever waits: leavers one by one and first, everyone else up to 1,000 a call."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from relay.campaign_monitor.errors import ABOUT_PERSON, LOOK_AGAIN, TROUBLE, Throttled
from relay.domain.mapping import Wanted
from relay.errors import NeedsPerson, Refused, RelayError
from relay.store import asked, participants, removals, runs
from relay.store.participants import BULK, LEAVING, LIVE
from relay.store.person import Person
from relay.sync.picture import Verdict
from relay.sync.upsert.imports import SINGLY
from relay.sync.upsert.singles import Singles, holders_first

AT_ONCE = 1000
SHORT = 50
"""People beside a crowd of leavers, who are not to wait for a long import."""
PARALLEL = 4
Troubled = Sequence[tuple[Person, RelayError]]
NONE: Mapping[int, Verdict] = MappingProxyType({})


class Visit(Singles):
    """One look at who waits on a connection, under the connection's claim."""

    def write(self, lanes: Sequence[int]) -> int:
        """Takes up to 1,000 who wait; answers how many were looked at, 0 when nobody waits.

        :raise RetryLater: · NeedsPerson: with everyone still waiting who was not reached.
        """
        flying = [person.id for person, _ in self.under_way[0]] if self.under_way else []
        with self.parts.database.read() as tx:
            leaving = participants.waiting(tx, self.connection.id, lanes[:1], SINGLY + 1, but=flying)
            most = AT_ONCE if len(leaving) <= SINGLY else SHORT
            people = leaving[:SINGLY]
            people += participants.waiting(tx, self.connection.id, lanes[1:], most, but=flying)
            verdicts = self.picture.judge(tx, people)
        if not people:
            self.finish()
            return 0
        by_step: dict[str, list[Person]] = {}
        for person in people:
            by_step.setdefault(verdicts[person.id].step, []).append(person)
        if idle := by_step.get("nothing"):
            with self.parts.database.write() as tx:
                participants.settle(tx, idle)
        puts = by_step.get("put", ())
        known = self._held_by_another(puts, verdicts)
        # Leavers first: they free addresses. Moves one by one, an address's holder before whoever comes to it.
        alone = [p for step in ("leave", "move", "restore") for p in by_step.get(step, ())]
        alone = [*alone, *(p for p in puts if p.id in known)][:SINGLY]
        self._land_before(alone, verdicts)
        moves = [p for p in alone if verdicts[p.id].step == "move"]
        troubled = [
            *self._singly([p for p in alone if verdicts[p.id].step == "leave"], verdicts, self.leave),
            *self._singly(holders_first(moves, verdicts), verdicts, self.move, parallel=1),
            *self._singly([p for p in alone if verdicts[p.id].step in ("restore", "put")], verdicts, self.take),
        ]
        if plain := [p for p in puts if p.id not in known]:
            self.put({p.id: (p, w) for p in plain if (w := verdicts[p.id].wanted)})
        if troubled:
            self.judge_trouble(troubled, verdicts)
        return len(people)

    def _land_before(self, alone: Sequence[Person], verdicts: Mapping[int, Verdict]) -> None:
        """An address is in one call at a time: whoever needs one that is in the import under way waits for it."""
        flying = {a for p, w in self.under_way[0] for a in (w.email.lower(), p.held.email)} if self.under_way else set()
        wanted = {w.email.lower() for p in alone if (w := verdicts[p.id].wanted)} | {p.held.email for p in alone}
        if flying & (wanted - {None}):
            self.finish()

    def _singly(
        self,
        people: Sequence[Person],
        verdicts: Mapping[int, Verdict],
        act: Callable[[Person, Verdict], None],
        parallel: int = PARALLEL,
    ) -> Troubled:
        """Calls about one person each, a few at a time. Answers in whose call CM was in trouble; any other failure is
        raised, after the others are done."""

        def attempt(person: Person) -> RelayError | None:
            try:
                self.lease.check()
                act(person, verdicts[person.id])
            except RelayError as error:
                return self._not_alone(person, verdicts[person.id].wanted, error)
            return None

        if not people:
            return []
        with ThreadPoolExecutor(parallel, thread_name_prefix="singly") as pool:
            failures = [(p, error) for p, error in zip(people, pool.map(attempt, people), strict=True) if error]
        others = [error for _, error in failures if error.code not in TROUBLE]
        for error in sorted(others, key=lambda error: isinstance(error, NeedsPerson), reverse=True):
            raise error
        return failures

    def judge_trouble(self, troubled: Troubled, verdicts: Mapping[int, Verdict] = NONE) -> None:
        """As with imports: who fails again, or while others pass, waits longer, and in the end is refused; whoever is
        only to be read, or erased, never is.

        :raise RetryLater: about everyone else: it may be Campaign Monitor's own trouble.
        """
        self.finish()
        theirs = [(p, error) for p, error in troubled if p.held_times or (self.failures and self.passed)]
        for person, error in theirs:
            verdict = verdicts.get(person.id) if self.passed else None
            self.spoiled(person, verdict.wanted if verdict else None, error)
        if len(theirs) < len(troubled):
            raise troubled[0][1]

    def _not_alone(self, person: Person, wanted: Wanted | None, error: RelayError) -> RelayError | None:
        """A call about one person failed: the error, unless it is about them only."""
        if isinstance(error, Throttled) and error.about_person:
            self.hold_back(person, error.retry_after)
        elif not isinstance(error, Refused):
            return error
        elif error.code not in ABOUT_PERSON | LOOK_AGAIN:
            return self.unexpected(error)
        elif wanted is None or error.code in LOOK_AGAIN:  # whoever leaves is not asked for other data (design rule 2)
            self.hold_back(person, None)
        else:
            with self.parts.database.write() as tx:
                participants.refused(tx, person, error.code, wanted.fingerprint())
                runs.note(tx, self.connection.id, [self.change(person, "refused", {"code": error.code})])
        return None

    def _held_by_another(self, people: Sequence[Person], verdicts: Mapping[int, Verdict]) -> set[int]:
        """Those whose address CM holds, or held, for another of our participants, or whom we removed under an earlier
        connection: it is read before it is written."""
        new = {w.email.lower(): p.id for p in people if p.held.state is None and (w := verdicts[p.id].wanted)}
        with self.parts.database.read() as tx:
            others = participants.holders(tx, self.connection.id, new) if new else []
            marks = {mark: person for email, person in new.items() for mark in self.parts.vault.marks(email)}
            before = asked.marked(tx, self.connection.id, marks) | removals.of(tx, self.list_id, marks).keys()
        return {new[o.held.email] for o in others if o.held.email in new} | {marks[mark] for mark in before}


__all__ = ["BULK", "LEAVING", "LIVE", "Visit"]

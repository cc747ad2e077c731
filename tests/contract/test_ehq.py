"""The client and the simulator agree, over real HTTP. They share no code, so neither can repeat the other's mistake."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from relay.domain.participant import Patch
from relay.ehq.client import Cursor, Ehq, Key, Login
from relay.ehq.dialect import dialect
from relay.errors import Incomplete, NeedsPerson, RetryLater
from sandbox.ehq import create_app
from sandbox.server import Server

PEOPLE = 130
SIZE = 50
READING: list[dict[str, Any]] = [
    {"no_meta": True},
    {"no_links": True},
    {"no_meta": True, "no_links": True},
    {"page_cap": 20},
    {"page_cap": 26, "no_meta": True, "no_links": True},
    {"page_cap": 26, "no_links": True},
    {"shrink_total": 5, "no_links": True},
    {"spelling": "snake"},
    {"role_blocked": True},
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(create_app(people=PEOPLE)) as server:
        yield server


@pytest.fixture
def faults(server: Server) -> Iterator[Callable[..., None]]:
    site = server.app.extensions["sandbox"]  # type: ignore[attr-defined]
    yield site.faults.set
    site.faults.clear()


@pytest.fixture
def ehq(server: Server) -> Ehq:
    return Ehq(requests.Session(), server.url, Key("sandbox"), dialect())


@pytest.fixture
def logged_in(server: Server) -> Ehq:
    return Ehq(requests.Session(), server.url, Login("sandbox", "sandbox"), dialect())


def everyone(ehq: Ehq, patience: int = 0) -> dict[str, Patch]:
    """All people by id, the cursor kept as JSON; after RetryLater the same page is asked for again."""
    found: list[Patch] = []
    cursor: Cursor | None = None
    while True:
        try:
            page = ehq.users(cursor, SIZE)
        except RetryLater as error:
            patience -= 1
            if patience < 0 or error.retry_after != 1.0:
                raise
            continue
        assert page.unreadable == 0
        found += page.people
        if page.cursor is None:
            assert len({patch.ehq_id for patch in found}) == len(found)
            return {patch.ehq_id: patch for patch in found}
        cursor = Cursor.from_dict(page.cursor.to_dict())


def test_everyone_is_read_as_they_are(server: Server, ehq: Ehq) -> None:
    there = requests.get(f"{server.url}/sandbox/people.json", timeout=10).json()["people"]
    here = everyone(ehq)
    assert here.keys() == {person["id"] for person in there}
    for person in there:
        said, values = person["attributes"], here[person["id"]].values
        assert values["email"] == said["email"]
        assert values["role"] == said["role-name"]
        assert values["activated"] is said["confirmed"]
        assert values["blocked"] is said["blocked"]
        assert values["subscribed"] is said["subscribed"]
        assert values["tags"] == tuple(said["participant-tag-list"])
        assert set(values["answers"]) == {item["question-id"] for item in said["signup-answers"]}
        assert here[person["id"]].unused == ()


@pytest.mark.parametrize("fault", READING, ids=lambda fault: "+".join(fault))
def test_the_same_people_however_ehq_lists_them(ehq: Ehq, faults: Callable[..., None], fault: dict[str, Any]) -> None:
    expected = everyone(ehq)
    faults(**fault)
    assert everyone(ehq) == expected


def test_groups(ehq: Ehq, faults: Callable[..., None]) -> None:
    names = {group.id: group.name for group in ehq.groups(None).groups}
    assert names["30"] == "Youth advisory panel"
    assert names.items() >= {i: n for patch in everyone(ehq).values() for i, n in patch.group_names.items()}.items()
    faults(spelling="snake")
    assert {group.id: group.name for group in ehq.groups(None).groups} == names


def test_a_log_in_reads_the_same(ehq: Ehq, logged_in: Ehq) -> None:
    assert everyone(logged_in) == everyone(ehq)
    assert logged_in.check().endswith(f"answers and lists {PEOPLE} people.")


def test_tokens_that_run_out_are_renewed(ehq: Ehq, logged_in: Ehq, faults: Callable[..., None]) -> None:
    expected = everyone(ehq)
    for auth_404 in (None, True):
        faults(token_lifetime_s=-1, auth_404=auth_404)
        with pytest.raises(NeedsPerson):  # the new token was dead too
            logged_in.users(None)
        faults(token_lifetime_s=None)
        assert everyone(logged_in) == expected  # that dead one is kept, and renewed
        logged_in._token = None


def test_a_wrong_credential(server: Server, faults: Callable[..., None]) -> None:
    for credential in (Key("wrong"), Login("sandbox", "wrong")):
        with pytest.raises(NeedsPerson):
            Ehq(requests.Session(), server.url, credential, dialect()).users(None)
    faults(auth_404=True)
    with pytest.raises(NeedsPerson, match="may this key or log-in read participants"):
        Ehq(requests.Session(), server.url, Key("wrong"), dialect()).users(None)


def test_too_many_calls_are_waited_out(ehq: Ehq, faults: Callable[..., None]) -> None:
    expected = everyone(ehq)
    faults(status_429_every=2)
    assert everyone(ehq, patience=10) == expected


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"fail_pages": [2]}, NeedsPerson, "HTTP 403"),
        ({"html": True}, Incomplete, "a web page instead of data"),
        ({"endless": True}, Incomplete, "again and again"),
        ({"endless": True, "no_meta": True, "no_links": True}, Incomplete, "again and again"),
        ({"same_page": True}, Incomplete, "same page again and again"),
        ({"same_page": True, "no_meta": True, "no_links": True}, Incomplete, "same page again and again"),
        ({"status": 503}, RetryLater, "HTTP 503"),
    ],
    ids=str,
)
def test_a_list_that_cannot_be_read_to_its_end(
    ehq: Ehq, faults: Callable[..., None], fault: dict[str, Any], error: type[Exception], words: str
) -> None:
    faults(**fault)
    with pytest.raises(error, match=words) as caught:
        everyone(ehq)
    assert ehq.host in str(caught.value)


def test_people_who_go_meanwhile_show_in_the_total(faults: Callable[..., None]) -> None:
    with Server(create_app(people=PEOPLE, shift=3)) as server:
        ehq = Ehq(requests.Session(), server.url, Key("sandbox"), dialect())
        first = ehq.users(None, SIZE)
        assert first.total == PEOPLE
        assert len(everyone(ehq)) < PEOPLE

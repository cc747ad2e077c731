"""Reading everyone: paging (EHQ contract §5.7), logging in, and every way to fail."""

import traceback
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from responses import matchers

from relay.ehq import calls, client
from relay.ehq.client import Cursor, Ehq, Key, Login, UsersPage
from relay.ehq.dialect import dialect
from relay.errors import Incomplete, Invalid, NeedsPerson, RelayError, RetryLater

SITE = "https://ehq.example"
API = f"{SITE}/api/v2"
USERS, GROUPS, TOKENS = f"{API}/users", f"{API}/groups", f"{API}/tokens"
SECRETS = ("s3cret-key", "admin@council.example", "s3cret-password", "jwt-")
LOGIN = Login("admin@council.example", "s3cret-password")


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def ehq(credential: Key | Login | None = None, url: str = SITE, **overrides: Any) -> Ehq:
    return Ehq(requests.Session(), url, credential or Key("s3cret-key"), dialect(overrides or None))


def people(*ids: int) -> list[dict[str, Any]]:
    return [{"type": "users", "id": str(id), "attributes": {"email": f"p{id}@example.com"}} for id in ids]


def page(net: responses.RequestsMock, number: int, *ids: int, url: str = USERS, **more: Any) -> None:
    """What EHQ answers when page `number` is asked for."""
    asked = matchers.query_param_matcher({"page": str(number)}, strict_match=False)
    net.get(url, json={"data": people(*ids), **more}, match=[asked])


def walk(site: Ehq, size: int = 2, at_most: int = 20) -> tuple[list[str], UsersPage]:
    """The ids of all pages, and the last page; the cursor goes through JSON, as it does between two steps of a run."""
    ids: list[str] = []
    cursor: Cursor | None = None
    for _ in range(at_most):
        read = site.users(cursor, size)
        ids += [patch.ehq_id for patch in read.people]
        if read.cursor is None:
            return ids, read
        cursor = Cursor.from_dict(read.cursor.to_dict())
    raise AssertionError("the walk does not end")


def asked(net: responses.RequestsMock) -> list[str]:
    return [str(call.request.params.get("page")) for call in net.calls]  # type: ignore[attr-defined]


# Where a walk ends.


def test_null_under_links_next_is_the_end(net: responses.RequestsMock) -> None:
    page(net, 1, 1, 2, links={"next": f"{USERS}?page=2&per_page=2"})
    page(net, 2, 3, 4, links={"next": None})
    assert walk(ehq())[0] == ["1", "2", "3", "4"]
    assert asked(net) == ["1", "2"]


@pytest.mark.parametrize("empty", [None, "", {"href": None}, {}])
def test_an_empty_place_for_the_next_page_is_the_end(net: responses.RequestsMock, empty: Any) -> None:
    page(net, 1, 1, 2, links={"next": empty})
    assert walk(ehq())[0] == ["1", "2"]


@pytest.mark.parametrize("meta", [{"total": 3}, {"total-count": 3}, {"totalCount": "3"}, {"total_pages": 2}])
def test_a_count_that_is_reached_is_the_end(net: responses.RequestsMock, meta: dict[str, Any]) -> None:
    page(net, 1, 1, 2, meta=meta)
    page(net, 2, 3, meta=meta)
    assert walk(ehq())[0] == ["1", "2", "3"]
    assert asked(net) == ["1", "2"]


def test_pages_may_be_counted_from_nought(net: responses.RequestsMock) -> None:
    page(net, 0, 1, 2, meta={"pages": 2})
    page(net, 1, 3, meta={"pages": 2})
    assert walk(ehq(parameters={"first_page": 0}))[0] == ["1", "2", "3"]


def test_a_full_page_is_not_the_last_because_a_count_says_so(net: responses.RequestsMock) -> None:
    for number, ids in enumerate([(1, 2), (3, 4), (5,)], 1):
        page(net, number, *ids, meta={"total": 4, "total_pages": 2})
    assert walk(ehq())[0] == ["1", "2", "3", "4", "5"]


def test_without_any_word_only_an_empty_page_is_the_end(net: responses.RequestsMock) -> None:
    """EHQ may cap the size silently: a short page proves nothing."""
    page(net, 1, 1, 2)
    page(net, 2, 3, 4)
    page(net, 3, 5)
    page(net, 4)
    ids, last = walk(ehq(), size=100)
    assert (ids, last.total) == (["1", "2", "3", "4", "5"], None)
    assert asked(net) == ["1", "2", "3", "4"]


def test_a_bare_list_will_do(net: responses.RequestsMock) -> None:
    net.get(USERS, json=people(1), match=[matchers.query_param_matcher({"page": "1"}, strict_match=False)])
    net.get(USERS, json=[], match=[matchers.query_param_matcher({"page": "2"}, strict_match=False)])
    assert walk(ehq())[0] == ["1"]


@pytest.mark.parametrize("more", [{"links": {"next": None}}, {"meta": {"total_pages": 1}}])
def test_an_end_far_before_the_total_is_none(net: responses.RequestsMock, more: dict[str, Any]) -> None:
    page(net, 1, 1, **{**more, "meta": {**more.get("meta", {}), "total": 3}})
    with pytest.raises(Incomplete, match="says that it lists 3, and ended after 1"):
        walk(ehq())


def test_an_empty_page_far_before_the_total_is_no_end(net: responses.RequestsMock) -> None:
    page(net, 1, meta={"total": 3})
    with pytest.raises(Incomplete):
        walk(ehq())


def test_a_few_too_few_are_for_the_run_to_judge(net: responses.RequestsMock) -> None:
    page(net, 1, 1, 2, meta={"total": 3}, links={"next": None})
    ids, last = walk(ehq())
    assert (ids, last.total) == (["1", "2"], 3)


def test_a_site_without_anybody(net: responses.RequestsMock) -> None:
    page(net, 1, meta={"total": 0})
    assert walk(ehq())[0] == []


# Walks that would never end.


def test_a_server_that_ignores_the_page_is_noticed(net: responses.RequestsMock) -> None:
    net.get(USERS, json={"data": people(1, 2)})
    with pytest.raises(Incomplete, match="same page again"):
        walk(ehq())
    assert len(net.calls) == 2


def test_a_server_that_begins_again_is_noticed(net: responses.RequestsMock) -> None:
    for number, ids in enumerate([(1, 2), (3, 4), (5, 6), (1, 2)], 1):
        page(net, number, *ids)
    with pytest.raises(Incomplete, match="again and again"):
        walk(ehq())


def test_a_list_far_longer_than_its_total_is_stopped(net: responses.RequestsMock) -> None:
    page(net, 7, 1, 2, meta={"total": 5}, links={"next": f"{USERS}?page=8"})
    with pytest.raises(Incomplete, match="more pages than it says"):
        ehq().users(Cursor(7, seen=1010))
    page(net, client.MOST_PAGES, 1)
    with pytest.raises(Incomplete, match="more pages"):
        ehq().users(Cursor(client.MOST_PAGES))


# links.next.


@pytest.mark.parametrize(
    "link",
    [
        "https://ehq.example/api/v2/users?page=2&token=x",
        "http://ehq.example/api/v2/users?page=2&token=x",
        "http://EHQ.example:3000/api/v2/users?page=2&token=x",
        "https://me:you@ehq.example/api/v2/users?page=2&token=x#there",
        "/api/v2/users?page=2&token=x",
        "users?page=2&token=x",
        {"href": "/api/v2/users?page=2&token=x", "meta": {}},
    ],
)
def test_a_link_is_followed_on_our_own_scheme_and_host(net: responses.RequestsMock, link: Any) -> None:
    page(net, 1, 1, links={"next": link})
    page(net, 2, 2, links={"next": None})
    assert walk(ehq())[0] == ["1", "2"]
    assert net.calls[1].request.url == f"{USERS}?page=2&token=x"


@pytest.mark.parametrize(
    "link", ["https://evil.example/users?page=2", "//evil.example/x", "ftp://ehq.example/x", "http://["]
)
def test_a_link_elsewhere_is_not_followed_and_pages_are_counted(net: responses.RequestsMock, link: str) -> None:
    page(net, 1, 1, 2, links={"next": link})
    page(net, 2, 3, links={"next": None})
    assert walk(ehq())[0] == ["1", "2", "3"]
    assert all(str(call.request.url).startswith(USERS) for call in net.calls)


# What is on a page.


def test_what_cannot_be_read_is_counted(net: responses.RequestsMock) -> None:
    net.get(USERS, json={"data": [*people(1), {"id": None}, 5, {"type": "groups", "id": "7"}], "links": {"next": None}})
    read = ehq().users(None)
    assert ([patch.ehq_id for patch in read.people], read.unreadable) == (["1"], 3)


def test_names_of_groups_beside_the_page(net: responses.RequestsMock) -> None:
    one = people(1)[0] | {"relationships": {"groups": {"data": [{"type": "groups", "id": "7"}]}}}
    included = [{"type": "groups", "id": "7", "attributes": {"name": "Youth"}}]
    net.get(USERS, json={"data": [one], "included": included})
    assert ehq().users(None).people[0].group_names == {"7": "Youth"}


def test_half_a_character_loses_no_page(net: responses.RequestsMock) -> None:
    body = b'\xef\xbb\xbf{"data":[{"id":1,"attributes":{"login":"x\\ud800","email":"a@example.com"}}]}'
    net.get(USERS, body=body)
    assert ehq().users(None).people[0].values["email"] == "a@example.com"


def test_groups(net: responses.RequestsMock) -> None:
    net.get(GROUPS, json={"data": [{"type": "groups", "id": 7, "attributes": {"name": "Youth"}}], "meta": {"total": 1}})
    read = ehq().groups(None)
    assert ([(group.id, group.name) for group in read.groups], read.cursor) == ([("7", "Youth")], None)


def test_a_site_without_groups(net: responses.RequestsMock) -> None:
    net.get(GROUPS, status=404)
    assert ehq().groups(None).groups == []
    assert ehq(paths={"groups": ""}).groups(None).groups == []
    with pytest.raises(NeedsPerson):
        ehq().groups(Cursor(2))


def test_a_log_in_that_is_not_there_is_no_site_without_groups(net: responses.RequestsMock) -> None:
    net.post(TOKENS, status=404)
    with pytest.raises(NeedsPerson, match="no log-in for programs"):
        ehq(LOGIN).groups(None)


def test_check_says_what_was_found(net: responses.RequestsMock) -> None:
    net.get(USERS, json={"data": people(1), "meta": {"total": 5}})
    assert ehq().check() == "ehq.example answers and lists 5 people."
    net.replace(responses.GET, USERS, json={"data": []})
    assert ehq().check() == "ehq.example answers and lists nobody yet."


# Credentials.


def test_a_key_goes_in_its_header_and_nothing_else_does(
    net: responses.RequestsMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    net.get(USERS, json={"data": []})
    ehq(Key(" s3cret-key\n")).users(None, 7)
    sent = net.calls[0].request
    assert sent.headers["X-API-Token"] == "s3cret-key"
    assert "Authorization" not in sent.headers
    assert sent.url == f"{USERS}?page=1&per_page=7"


def log_in(net: responses.RequestsMock, *tokens: str) -> None:
    for token in tokens:
        net.post(TOKENS, json={"data": {"type": "tokens", "attributes": {"token": token}}})


def test_a_log_in_is_asked_for_once(net: responses.RequestsMock) -> None:
    log_in(net, "jwt-1")
    net.get(USERS, json={"data": []})
    site = ehq(LOGIN)
    site.users(None)
    site.users(None)
    assert [call.request.method for call in net.calls] == ["POST", "GET", "GET"]
    assert net.calls[0].request.body == (
        b'{"data": {"attributes": {"login": "admin@council.example", "password": "s3cret-password"}}}'
    )
    assert net.calls[2].request.headers["Authorization"] == "Bearer jwt-1"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_ran_out_is_renewed_once(net: responses.RequestsMock, status: int) -> None:
    log_in(net, "jwt-1", "jwt-2")
    renewed = matchers.header_matcher({"Authorization": "Bearer jwt-2"})
    net.get(USERS, json={"data": people(1)}, match=[renewed])
    net.get(USERS, status=status)
    assert len(ehq(LOGIN).users(None).people) == 1


def test_a_right_that_is_missing_is_not_asked_for_for_ever(net: responses.RequestsMock) -> None:
    log_in(net, "jwt-1")
    net.get(USERS, status=403)
    with pytest.raises(NeedsPerson, match="Site Administrator"):
        ehq(LOGIN).users(None)
    assert len(net.calls) == 4


@pytest.mark.parametrize("answer", [{}, [], {"data": []}, {"data": {"attributes": ["x"]}}])
@pytest.mark.parametrize("token", [None, "", "jwt-é", "jwt-\n", 5])
def test_an_answer_without_a_token(net: responses.RequestsMock, answer: Any, token: Any) -> None:
    net.post(TOKENS, json=answer if token is None else {"data": {"attributes": {"token": token}}})
    with pytest.raises(NeedsPerson, match="without a token"):
        ehq(LOGIN).users(None)


def test_credentials_do_not_show() -> None:
    assert repr(LOGIN) == "Login()"
    assert repr(Key("s3cret-key")) == "Key()"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ehq.example",
        "ftp://ehq.example",
        "https://",
        "https://[",
        "https://x:port",
        "https://a b",
        "https://x/?a=b",
        "https://admin:s3cret-password@ehq.example",
    ],
)
def test_an_address_that_cannot_be_used(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        ehq(url=url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", [SITE, f"{SITE}/", API, f" {API}/ "])
def test_the_address_is_that_of_the_site_or_of_its_api(url: str) -> None:
    assert ehq(url=url).api == API


# Failures.

Faked = Callable[[responses.RequestsMock], object]


@pytest.mark.parametrize(
    ("credential", "fake", "kind_of_error", "words"),
    [
        (None, lambda n: n.get(USERS, status=429, headers={"Retry-After": "7"}), RetryLater, "HTTP 429"),
        (None, lambda n: n.get(USERS, status=503), RetryLater, "HTTP 503"),
        (None, lambda n: n.get(USERS, body=requests.ConnectionError("s3cret-key")), RetryLater, "cannot be reached"),
        (None, lambda n: n.get(USERS, body=requests.Timeout("s3cret-key")), RetryLater, "does not answer in time"),
        (None, lambda n: n.get(USERS, status=401), NeedsPerson, "HTTP 401"),
        (None, lambda n: n.get(USERS, status=403), NeedsPerson, "Site Administrator"),
        (None, lambda n: n.get(USERS, status=404), NeedsPerson, "HTTP 404"),
        (None, lambda n: n.get(USERS, status=302, headers={"Location": "/x?s3cret-key"}), NeedsPerson, "final address"),
        (None, lambda n: n.get(USERS, status=400), Incomplete, "HTTP 400"),
        (None, lambda n: n.get(USERS, body="<!doctype html><title>s3cret-key"), Incomplete, "a web page"),
        (None, lambda n: n.get(USERS, body="s3cret-key"), Incomplete, "something instead of data"),
        (None, lambda n: n.get(USERS, json={"data": {"s3cret-key": 1}}), Incomplete, "unknown shape"),
        (Key("s3cret-key\u200bx"), lambda n: None, NeedsPerson, "characters that no key has"),
        (Key(" "), lambda n: None, NeedsPerson, "is empty"),
        (LOGIN, lambda n: n.post(TOKENS, status=403), NeedsPerson, "did not accept the log-in"),
        (LOGIN, lambda n: n.post(TOKENS, status=302), NeedsPerson, "HTTP 302"),
        (LOGIN, lambda n: n.post(TOKENS, status=500), RetryLater, "HTTP 500"),
        (LOGIN, lambda n: n.post(TOKENS, body="<html>"), Incomplete, "a web page"),
        (LOGIN, lambda n: n.post(TOKENS, body=requests.ConnectionError("s3cret-password")), RetryLater, "reached"),
    ],
)
def test_a_failure_names_the_host_and_what_to_do_and_no_secret(
    net: responses.RequestsMock,
    credential: Any,
    fake: Faked,
    kind_of_error: type[RelayError],
    words: str,
) -> None:
    fake(net)
    with pytest.raises(kind_of_error) as caught:
        ehq(credential).users(None)
    error = caught.value
    assert words in str(error)
    assert "ehq.example" in error.message
    assert error.remedy
    assert error.code.startswith("ehq-")
    shown = "".join(traceback.format_exception_only(error)) + repr(error) + repr(error.__context__)
    assert not [secret for secret in SECRETS if secret in shown]
    assert len(net.calls) <= 1


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-7", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("999999", 3600.0),
        ("", None),
        (formatdate(0, usegmt=True), 0.0),
        ("Fri, 99 Xxx 2026 00:00:00 GMT", None),
    ],
)
def test_how_long_to_wait(net: responses.RequestsMock, told: str, wait: float | None) -> None:
    net.get(USERS, status=429, headers={"Retry-After": told})
    with pytest.raises(RetryLater) as caught:
        ehq().users(None)
    assert caught.value.retry_after == wait


def test_a_date_to_wait_for(net: responses.RequestsMock) -> None:
    net.get(USERS, status=503, headers={"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"})
    with pytest.raises(RetryLater) as caught:
        ehq().users(None)
    assert caught.value.retry_after == calls.LONGEST_WAIT_S


def test_an_answer_without_end_is_not_read_whole(net: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "LARGEST_ANSWER", 2**20)
    net.get(USERS, body=b" " * (2**20 + 1))
    with pytest.raises(Incomplete, match="more than 1 MB"):
        ehq().users(None)

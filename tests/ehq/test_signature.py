"""What proves that a delivery is genuine, and what does not (EHQ contract §5.2)."""

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from relay.ehq.signature import NotGenuine, Profile, profile, sign, verify

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER = "whsec_" + base64.b64encode(b"another secret of some length...").decode()
NOW = 1770091506
BODY = (
    b'{"id":"evt_0001","type":"participant.blocked","timestamp":"2026-02-03T04:05:06.000Z",'
    b'"site":{"host":"haveyoursay.example.gov.au"},'
    b'"data":{"type":"users","id":"5040","attributes":{"email":"althea@example.com","blocked":true}}}'
)
STANDARD = {
    "webhook-id": "msg_ehq_0001",
    "webhook-timestamp": str(NOW),
    "webhook-signature": "v1,7PXcHJu5SxZiJ0fdz/YOtT2YAIOQQrU0TOB+MAZ01XY=",
}
VECTORS: Mapping[str, Mapping[str, str]] = {
    "standard": STANDARD,
    "hmac_body": {
        "X-EHQ-Delivery": "msg_ehq_0001",
        "X-EHQ-Signature": "sha256=341f1775fce642a6703d3bde1488409f860c1b6047cc573334400747d922eff3",
    },
    "hmac_t_v1": {
        "X-EHQ-Delivery": "msg_ehq_0001",
        "X-EHQ-Signature": f"t={NOW},v1=e4ade9ed66fa122f350e7fec9b0ea46326ba94cc4cf8f2898e5af0f73b49e7a9",
    },
}
PROFILES = [*VECTORS, "token"]


def refused(name: str, headers: Mapping[str, str], *, secrets: tuple[str, ...] = (SECRET,), now: float = NOW) -> str:
    with pytest.raises(NotGenuine) as caught:
        verify(profile(name), secrets, headers, BODY, now)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_vector_is_genuine(name: str) -> None:
    assert verify(profile(name), [SECRET], VECTORS[name], BODY, NOW) == "msg_ehq_0001"
    assert sign(profile(name), SECRET, BODY, "msg_ehq_0001", NOW) == VECTORS[name]


@pytest.mark.parametrize("name", VECTORS)
def test_one_changed_byte_is_not_genuine(name: str) -> None:
    with pytest.raises(NotGenuine, match="signature is wrong"):
        verify(profile(name), [SECRET], VECTORS[name], BODY + b" ", NOW)


@pytest.mark.parametrize("name", PROFILES)
def test_any_live_secret_will_do(name: str) -> None:
    headers = sign(profile(name), SECRET, BODY, "msg_1", NOW)
    assert verify(profile(name), [OTHER, SECRET], headers, BODY, NOW) == "msg_1"
    assert "wrong" in refused(name, headers, secrets=(OTHER,))
    assert "wrong" in refused(name, headers, secrets=())


@pytest.mark.parametrize("name", VECTORS)
def test_an_empty_secret_opens_nothing(name: str) -> None:
    for empty in ("", "whsec_"):
        refused(name, sign(profile(name), empty, BODY, "msg_1", NOW), secrets=(empty,))


def test_a_rotating_sender_signs_with_both_secrets_at_once() -> None:
    old = sign(profile("standard"), OTHER, BODY, "msg_ehq_0001", NOW)["webhook-signature"]
    both = {**STANDARD, "webhook-signature": f"{old} v1a,ed25519 {STANDARD['webhook-signature']}"}
    assert verify(profile("standard"), [SECRET], both, BODY, NOW) == "msg_ehq_0001"
    stripe = VECTORS["hmac_t_v1"]["X-EHQ-Signature"].replace("v1=", "v1=00,v1=")
    assert verify(profile("hmac_t_v1"), [SECRET], {"X-EHQ-Signature": stripe}, BODY, NOW) is None


def test_another_version_of_the_signature_does_not_count() -> None:
    refused("standard", {**STANDARD, "webhook-signature": STANDARD["webhook-signature"].replace("v1", "v2")})


@pytest.mark.parametrize("name", ["standard", "hmac_t_v1"])
def test_a_signature_is_good_for_five_minutes_either_way(name: str) -> None:
    for off in (-300, 300):
        assert verify(profile(name), [SECRET], VECTORS[name], BODY, NOW + off)
    assert "301 s old" in refused(name, VECTORS[name], now=NOW + 301)
    assert "301 s in the future" in refused(name, VECTORS[name], now=NOW - 301)
    assert verify(profile(name, tolerance_s=600), [SECRET], VECTORS[name], BODY, NOW + 301)


def test_an_old_signature_without_a_timestamp_stays_good() -> None:
    assert verify(profile("hmac_body"), [SECRET], VECTORS["hmac_body"], BODY, NOW + 10**6)


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1.5", "١٧٧", "9" * 5000])
def test_a_timestamp_is_seconds(timestamp: str) -> None:
    refused("standard", {**STANDARD, "webhook-timestamp": timestamp})
    refused("hmac_t_v1", {"X-EHQ-Signature": f"t={timestamp},v1=00"})


@pytest.mark.parametrize("missing", STANDARD)
def test_a_missing_header_is_named(missing: str) -> None:
    assert missing in refused("standard", {k: v for k, v in STANDARD.items() if k != missing})


def test_a_token_is_compared_as_it_is() -> None:
    headers = {"X-EHQ-Token": "s3cret"}
    assert verify(profile("token"), ["s3cret"], headers, BODY, NOW) is None
    assert verify(profile("token"), ["s3cret"], {**headers, "X-EHQ-Delivery": "d1"}, BODY, NOW) == "d1"
    assert "token is wrong" in refused("token", {"X-EHQ-Token": "S3cret"}, secrets=("s3cret",))
    assert "X-EHQ-Token is missing" in refused("token", {"X-EHQ-Token": ""}, secrets=("",))


def test_headers_may_be_called_otherwise() -> None:
    named = profile("hmac_body", {"signature": "X-Hub-Signature-256", "id": "X-GitHub-Delivery"})
    headers = sign(named, SECRET, BODY, "d1", NOW)
    assert set(headers) == {"X-Hub-Signature-256", "X-GitHub-Delivery"}
    assert verify(named, [SECRET], headers, BODY, NOW) == "d1"
    assert verify(Profile("hmac_body", "", "X-Hub-Signature-256"), [SECRET], headers, BODY, NOW) is None


def test_a_header_is_the_bytes_that_were_sent() -> None:
    """WSGI shows UTF-8 as Latin-1; the signature is over the bytes."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"naïve✓.{NOW}.".encode() + BODY, "sha256")).decode()
    shown = "naïve✓".encode().decode("latin-1")
    headers = {**STANDARD, "webhook-id": shown, "webhook-signature": f"v1,{signature}"}
    assert verify(profile("standard"), [SECRET], headers, BODY, NOW) == shown
    token = {"X-EHQ-Token": "clé".encode().decode("latin-1")}
    assert verify(profile("token"), ["clé"], token, BODY, NOW) is None


@given(st.text(min_size=1), st.binary(min_size=1).map(lambda key: base64.b64encode(key).decode()), st.booleans())
def test_what_the_standard_s_own_library_signs_is_genuine(text: str, key: str, padded: bool) -> None:
    secret = "whsec_" + (key if padded else key.rstrip("="))
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(NOW, UTC), text)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": signature}
    assert sign(profile("standard"), secret, text.encode(), "msg_1", NOW) == headers
    assert verify(profile("standard"), [secret], headers, text.encode(), NOW) == "msg_1"


NAMES = sorted({name for vector in VECTORS.values() for name in vector} | {"X-EHQ-Token"})
ANYTHING = st.text(st.characters(exclude_categories=()))
VALUES = (
    ANYTHING | st.builds("t={},v1={}".format, ANYTHING, ANYTHING) | st.just(str(NOW)) | ANYTHING.map("v1,{}".format)
)


@given(st.sampled_from(PROFILES), st.dictionaries(st.sampled_from(NAMES), VALUES), st.binary(), st.floats(0, 4e9))
def test_whatever_arrives_is_an_id_or_not_genuine(name: str, headers: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(NotGenuine):
        verify(profile(name), [SECRET], headers, body, now)


@given(st.sampled_from(PROFILES), ANYTHING.filter(bool), st.binary())
def test_whatever_the_id_it_is_answered_as_it_came(name: str, delivery_id: str, body: bytes) -> None:
    if name != "standard":
        headers = sign(profile(name), SECRET, body, "x", NOW)
        headers["X-EHQ-Delivery"] = delivery_id
        assert verify(profile(name), [SECRET], headers, body, NOW) == delivery_id

"""Every setting, from the environment: all problems at once, by name, and never a value."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from relay.errors import Invalid
from relay.settings import Settings, read_settings

KEY, OTHER_KEY = "YSBrZXkgZm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzISE=", "YW5vdGhlciBrZXkgZm9yIHRlc3RzLCAzMiBieXRlcyE="
SERVER = {
    "DATABASE_URL": "postgres://relay:pass@db.example.com:5432/relay",
    "REDIS_URL": "rediss://:pass@queue.example.com:6380/0",
    "SECRET_KEY": "long enough to sign with",
    "RELAY_ENCRYPTION_KEYS": KEY,
}
EXAMPLE = Path(__file__).parent.parent / ".env.example"


def read(tmp_path: Path, **differs: str) -> Settings:
    return read_settings({**SERVER, **differs}, var=tmp_path / "var")


def refused(tmp_path: Path, **differs: str) -> str:
    with pytest.raises(Invalid) as caught:
        read(tmp_path, **differs)
    said = str(caught.value)
    assert "docs/configuration.md" in said
    assert "pass" not in said.replace("password", "")
    return said


def test_with_nothing_set_everything_lives_in_var(tmp_path: Path) -> None:
    settings = read_settings({}, var=tmp_path / "var")
    assert settings.database_url == f"sqlite:///{tmp_path}/var/relay.sqlite3"
    assert settings.redis_url == f"unix://{tmp_path}/var/queue.sock"
    assert settings.port == 8000
    assert settings.campaign_monitor_api_url == "https://api.createsend.com/api/v3.3"


def test_keys_beside_a_file_are_made_once_and_for_this_user_only(tmp_path: Path) -> None:
    first, second = read_settings({}, var=tmp_path / "var"), read_settings({}, var=tmp_path / "var")
    assert (first.secret_key, first.relay_encryption_keys) == (second.secret_key, second.relay_encryption_keys)
    for name in ("secret-key", "encryption-keys"):
        assert stat.S_IMODE((tmp_path / "var" / name).stat().st_mode) == 0o600


def test_with_a_database_server_keys_are_never_made(tmp_path: Path) -> None:
    said = refused(tmp_path, SECRET_KEY="", RELAY_ENCRYPTION_KEYS="")
    assert "SECRET_KEY is missing" in said
    assert "RELAY_ENCRYPTION_KEYS is missing" in said
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_reached_by_psycopg(tmp_path: Path, scheme: str) -> None:
    settings = read(tmp_path, DATABASE_URL=f"{scheme}://u:p@h/x?sslmode=require")
    assert settings.database_url == "postgresql+psycopg://u:p@h/x?sslmode=require"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "mysql://u:pass@h/x", "DATABASE_URL must begin with postgres://"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL must begin with postgres://"),
        ("DATABASE_URL", "sqlite:///", "DATABASE_URL must begin with postgres://"),
        ("DATABASE_URL", "postgresql://u:pass@h:port/x", "DATABASE_URL is not an address"),
        ("REDIS_URL", "http://:pass@h", "REDIS_URL must begin with redis://"),
        ("REDIS_URL", "redis://", "REDIS_URL must begin with redis://"),
        ("REDIS_URL", "redis://:pass@h:port", "REDIS_URL is not an address"),
        ("REDIS_URL", "redis://:pass@h?db=first", "REDIS_URL is not an address"),
        ("SECRET_KEY", "pass", "SECRET_KEY is shorter than 16 characters"),
        ("RELAY_ENCRYPTION_KEYS", "pass", "RELAY_ENCRYPTION_KEYS key 1 is not a Fernet key"),
        ("RELAY_ENCRYPTION_KEYS", f"{KEY},pass", "RELAY_ENCRYPTION_KEYS key 2 is not a Fernet key"),
        ("RELAY_ENCRYPTION_KEYS", " , ", "RELAY_ENCRYPTION_KEYS holds no key"),
        ("RELAY_BASE_URL", "relay.pass.example.com", "RELAY_BASE_URL must begin with http"),
        ("RELAY_BASE_URL", "https://", "RELAY_BASE_URL must begin with http"),
        ("RELAY_BASE_URL", "https://[pass", "RELAY_BASE_URL must begin with http"),
        ("CAMPAIGN_MONITOR_API_URL", "ftp://pass", "CAMPAIGN_MONITOR_API_URL must begin with http"),
        ("PORT", "pass", "PORT "),
        ("LOG_FORMAT", "pass", "LOG_FORMAT must be text or json"),
        ("LOG_LEVEL", "pass", "LOG_LEVEL must be DEBUG"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_shown(tmp_path: Path, name: str, value: str, said: str) -> None:
    assert said in refused(tmp_path, **{name: value})


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        DATABASE_URL="mysql://u:pass@h/x",
        REDIS_URL="pass",
        SECRET_KEY="",
        RELAY_ENCRYPTION_KEYS="pass",
        PORT="pass",
        LOG_FORMAT="pass",
        CAMPAIGN_MONITOR_CLIENT_SECRET_FILE=str(tmp_path / "nowhere"),
    )
    for name in ("DATABASE_URL ", "REDIS_URL ", "SECRET_KEY ", "RELAY_ENCRYPTION_KEYS ", "PORT ", "LOG_FORMAT "):
        assert name in said
    assert "CAMPAIGN_MONITOR_CLIENT_SECRET_FILE cannot be read (No such file or directory)" in said


def test_several_encryption_keys_are_kept_in_order(tmp_path: Path) -> None:
    assert read(tmp_path, RELAY_ENCRYPTION_KEYS=f" {KEY} ,{OTHER_KEY},").relay_encryption_keys == (KEY, OTHER_KEY)


def test_an_address_loses_its_last_slash(tmp_path: Path) -> None:
    assert read(tmp_path, RELAY_BASE_URL="https://relay.example.com/").relay_base_url == "https://relay.example.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "sqlite:////srv/relay.sqlite3"),
        ("REDIS_URL", "redis://queue.example.com"),
        ("SECRET_KEY", "a secret out of a file"),
        ("RELAY_ENCRYPTION_KEYS", OTHER_KEY),
        ("CAMPAIGN_MONITOR_CLIENT_SECRET", "out of a file"),
    ],
)
def test_a_secret_may_be_in_a_file(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "secret").write_text(value + "\n")
    got: Any = getattr(read(tmp_path, **{name: "", f"{name}_FILE": str(tmp_path / "secret")}), name.lower())
    assert got in (value, (value,))


def test_what_is_set_wins_over_what_is_in_a_file(tmp_path: Path) -> None:
    assert read(tmp_path, SECRET_KEY_FILE="/nowhere").secret_key == SERVER["SECRET_KEY"]


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe\x00")
    said = refused(tmp_path, SECRET_KEY="", SECRET_KEY_FILE=str(tmp_path / "secret"))
    assert "SECRET_KEY_FILE cannot be read (it is not text)" in said
    assert "missing" not in said


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file, not a folder")
    with pytest.raises(Invalid, match="keys cannot be kept in"):
        read_settings({}, var=tmp_path / "var")


def test_a_socket_path_over_100_characters_is_refused_before_the_system_cuts_it_off(tmp_path: Path) -> None:
    assert read(tmp_path, REDIS_URL="unix:///" + "x" * 99).redis_url == "unix:///" + "x" * 99
    assert "socket path of over 100 characters" in refused(tmp_path, REDIS_URL="unix:///" + "x" * 100)
    with pytest.raises(Invalid, match="socket path of over 100 characters"):
        read_settings({}, var=tmp_path / ("x" * 100))


def lines(*, commented: bool) -> dict[str, str]:
    """NAME=value lines of .env.example, those commented out included or not."""
    texts = [line.removeprefix("# ") if commented else line for line in EXAMPLE.read_text().splitlines()]
    pairs = [text.partition("=") for text in texts]
    return {name: value for name, sign, value in pairs if sign and name.isupper() and " " not in name}


def test_the_example_can_be_used_as_it_is(tmp_path: Path) -> None:
    settings = read_settings(lines(commented=False), var=tmp_path)
    assert (settings.port, settings.log_format, settings.log_level) == (8000, "text", "INFO")


def test_what_the_example_shows_commented_out_can_be_used_too(tmp_path: Path) -> None:
    settings = read_settings({**lines(commented=True), "RELAY_ENCRYPTION_KEYS": KEY}, var=tmp_path)
    assert settings.campaign_monitor_client_id == "12345"


def test_the_example_names_every_setting() -> None:
    assert {name.upper() for name in Settings.model_fields} <= set(lines(commented=True))

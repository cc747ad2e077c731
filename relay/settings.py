"""Every setting, from the environment; all problems reported at once, by name and never with a value."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from redis.connection import parse_url
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from relay.errors import Invalid

SECRETS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "RELAY_ENCRYPTION_KEYS", "CAMPAIGN_MONITOR_CLIENT_SECRET")
VAR = Path("var")
LONGEST_SOCKET = 100
"""Unix socket paths end at 104 to 108 characters, depending on the system."""


class Settings(BaseModel):
    """Settings as the processes use them; field names are the environment's in lower case."""

    model_config = ConfigDict(frozen=True)

    database_url: str
    redis_url: str
    secret_key: str
    relay_encryption_keys: tuple[str, ...]
    relay_base_url: str = "http://127.0.0.1:8000"
    port: int = 8000
    log_format: str = "text"
    log_level: str = "INFO"
    campaign_monitor_api_url: str = "https://api.createsend.com/api/v3.3"
    campaign_monitor_oauth_url: str = "https://api.createsend.com/oauth"
    campaign_monitor_client_id: str = ""
    campaign_monitor_client_secret: str = ""

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if scheme in ("postgres", "postgresql", "postgresql+psycopg"):
            url = f"postgresql+psycopg://{rest}"
        elif scheme != "sqlite" or not rest.startswith("/") or rest == "/":
            raise ValueError("must begin with postgres://, postgresql:// or sqlite:/// and a path")
        try:
            make_url(url)
        except (ArgumentError, ValueError):  # their messages show the address, with its password
            raise ValueError("is not an address: is its port a number?") from None
        return url

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if scheme not in ("redis", "rediss", "unix") or not rest:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        if scheme == "unix" and len(rest.partition("?")[0]) > LONGEST_SOCKET:
            raise ValueError(f"names a socket path of over {LONGEST_SOCKET} characters, which systems cut off")
        try:
            parse_url(url)  # type: ignore[no-untyped-call]
        except ValueError:
            raise ValueError("is not an address: are its port and its options right?") from None
        return url

    @field_validator("relay_encryption_keys", mode="before")
    @classmethod
    def _keys(cls, text: str) -> tuple[str, ...]:
        keys = tuple(key.strip() for key in text.split(",") if key.strip())
        for number, key in enumerate(keys, 1):
            try:
                Fernet(key)
            except ValueError:
                raise ValueError(f"key {number} is not a Fernet key (32 bytes, url-safe base64)") from None
        if not keys:
            raise ValueError("holds no key")
        return keys

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, key: str) -> str:
        if len(key) < 16:
            raise ValueError("is shorter than 16 characters")
        return key

    @field_validator("relay_base_url", "campaign_monitor_api_url", "campaign_monitor_oauth_url")
    @classmethod
    def _address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("must begin with http:// or https:// and name a host")
        return url.rstrip("/")

    @field_validator("log_format")
    @classmethod
    def _format(cls, name: str) -> str:
        if name not in ("text", "json"):
            raise ValueError("must be text or json")
        return name

    @field_validator("log_level")
    @classmethod
    def _level(cls, name: str) -> str:
        if name.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return name.upper()


def read_settings(environ: Mapping[str, str] | None = None, var: Path = VAR) -> Settings:
    """Settings from `environ` (default: this process's), secrets also from files named by `<NAME>_FILE`.

    What is not set and has an embedded default lives in `var`: the database, the queue's socket, and beside a
    database in a file the keys, which are made when missing. With a database server they must be set: what is made on
    a machine that may be replaced could never again read what is stored.

    :raise Invalid: naming every setting that cannot be used; values are never shown.
    """
    environ = os.environ if environ is None else environ
    values = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    problems, unread = [], set()
    for name in SECRETS:
        path = environ.get(f"{name}_FILE")
        if path and name.lower() not in values:
            try:
                values[name.lower()] = Path(path).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not text"
                problems.append(f"{name}_FILE cannot be read ({reason})")
                unread.add(name)
    embedded = var.absolute()
    values.setdefault("database_url", f"sqlite:///{embedded / 'relay.sqlite3'}")
    values.setdefault("redis_url", f"unix://{embedded / 'queue.sock'}")
    try:
        if values["database_url"].startswith("sqlite"):
            for name, file in (("secret_key", "secret-key"), ("relay_encryption_keys", "encryption-keys")):
                if name in values:
                    continue
                if problems:
                    unread.add(name.upper())
                else:
                    values[name] = kept_key(embedded / file)
        made = Settings.model_validate(values)
        if not problems:
            return made
    except OSError as error:
        problems.append(f"the keys cannot be kept in {embedded} ({error.strerror})")
    except ValidationError as error:
        wrong = {str(item["loc"][0]).upper(): _reason(item["type"], item["msg"]) for item in error.errors()}
        problems += [f"{name} {reason}" for name, reason in wrong.items() if name not in unread]
    raise Invalid(
        f"The settings cannot be used: {'; '.join(problems)}.",
        remedy="See docs/configuration.md; bin/run makes the keys by itself, in var/.",
    )


def kept_key(path: Path) -> str:
    """The key in `path`, made there for this user only if there is none; two who make it at once keep the same one."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(Fernet.generate_key())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text().strip()


def _reason(kind: str, message: str) -> str:
    return "is missing" if kind == "missing" else message.removeprefix("Value error, ")

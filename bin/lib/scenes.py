"""Which pages bin/screenshots takes: a name, whose page it is, and its address. A page group adds its lines here.

In an address stand {c} (a connection in step), {setup} (one half way through its set-up), {paused}, {run}, {asks} and
{braked} (a connection with a run that the brake stopped), {person}, {refused} (a person CM refuses), {delivery} and
{quarantined}. What does not exist is said and left out.
"""

from typing import NamedTuple


class Scene(NamedTuple):
    name: str
    role: str
    address: str


EMPTY = (  # before anything is connected
    Scene("login", "", "/login"),
    Scene("connections-empty", "admin", "/"),
    Scene("audit-empty", "admin", "/audit"),
)
SCENES = (
    Scene("connections", "admin", "/"),
    Scene("users", "admin", "/users"),
    Scene("user", "admin", "/users/1"),
    Scene("user-invite", "admin", "/users/invite"),
    Scene("account", "viewer", "/account"),
    Scene("audit", "admin", "/audit"),
    Scene("audit-nothing", "admin", "/audit?since=2031-01-01"),
    Scene("forbidden", "viewer", "/users"),
    Scene("not-found", "viewer", "/c/nobody"),
    # One connection
    Scene("connect", "admin", "/connect"),
    Scene("setup", "admin", "/c/{setup}/setup"),
    Scene("health", "viewer", "/c/{c}"),
    Scene("health-paused", "operator", "/c/{paused}"),
    Scene("health-braked", "operator", "/c/{asks}"),
    Scene("runs", "viewer", "/c/{c}/runs"),
    Scene("run", "operator", "/c/{c}/runs/{run}"),
    Scene("run-people", "viewer", "/c/{c}/runs/{run}/people"),
    Scene("run-braked", "operator", "/c/{asks}/runs/{braked}"),
    Scene("reconnect", "operator", "/c/{c}/campaign-monitor"),
    Scene("people", "operator", "/c/{c}/people"),
    Scene("people-viewer", "viewer", "/c/{c}/people?which=off"),
    Scene("people-nothing", "operator", "/c/{c}/people?q=nobody"),
    Scene("person", "operator", "/c/{c}/people/{person}"),
    Scene("person-syncing", "operator", "/c/{c}/people/{syncing}"),
    Scene("person-synced", "operator", "/c/{c}/people/{synced}"),
    Scene("person-erased", "admin", "/c/{c}/people/{erased}"),
    Scene("person-off", "viewer", "/c/{c}/people/{off}"),
    Scene("person-refused", "operator", "/c/{c}/people/{refused}"),
    Scene("deliveries", "operator", "/c/{c}/deliveries"),
    Scene("deliveries-replay", "operator", "/c/{c}/deliveries/replay?type=participant.registered"),
    Scene("delivery", "operator", "/c/{c}/deliveries/{delivery}"),
    Scene("delivery-quarantined", "operator", "/c/{c}/deliveries/{quarantined}"),
    Scene("problems", "operator", "/c/{c}/problems"),
    Scene("fields", "admin", "/c/{c}/fields"),
    Scene("settings", "admin", "/c/{c}/settings"),
)
DOCS = ("connections", "setup", "health", "run", "person")
"""Those that bin/screenshots --docs makes for README and the manuals, in docs/images."""

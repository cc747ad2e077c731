"""Named faults: things a real remote does on a bad day, switched on and off while it runs."""

from __future__ import annotations

import threading
import time
from typing import Any


class UnknownFault(ValueError):
    """A name that is no fault of this simulator; `known` lists those that are."""

    def __init__(self, names: list[str], known: list[str]) -> None:
        super().__init__(f"unknown fault: {', '.join(names)}")
        self.known = known


class Faults:
    """Thread-safe switches.

    `known` maps each name to one line of explanation. A value is anything JSON can say; `None`
    clears it. `{"value": v, "times": n}` is a fault that goes away after it struck n times.
    """

    def __init__(self, known: dict[str, str], defaults: dict[str, Any] | None = None) -> None:
        self.known = known
        self._defaults = dict(defaults or {})
        self._values: dict[str, Any] = {}
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()

    def set(self, **values: Any) -> None:
        unknown = sorted(set(values) - set(self.known))
        if unknown:
            raise UnknownFault(unknown, sorted(self.known))
        with self._lock:
            for name, value in values.items():
                if value is None:
                    self._values.pop(name, None)
                else:
                    self._values[name] = value
                    self._since[name] = time.time()

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

    def get(self, name: str, default: Any = None) -> Any:
        """The value in force, without using up one of its `times`."""
        value = self._values.get(name, self._defaults.get(name, default))
        return value["value"] if _counted(value) else value

    def take(self, name: str, default: Any = None) -> Any:
        """The value in force; a counted fault has then struck once more."""
        with self._lock:
            value: Any = self._values.get(name)
            if not _counted(value):
                return self.get(name, default)
            if value["times"] <= 1:
                self._values.pop(name, None)
            else:
                self._values[name] = {**value, "times": value["times"] - 1}
            return value["value"]

    def since(self, name: str) -> float:
        """When the fault was last switched on, as epoch seconds."""
        return self._since.get(name, 0.0)

    def active(self) -> dict[str, Any]:
        with self._lock:
            return {**self._defaults, **self._values}


def _counted(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"value", "times"}

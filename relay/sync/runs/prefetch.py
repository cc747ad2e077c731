"""Pages in order, with the next one on its way while the last is looked at."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Answer = TypeVar("Answer")


class Prefetch(Generic[Answer]):
    """Iterates over `fetch(cursor)` from `start` until `following(answer)` is None. At most one page ahead."""

    def __init__(self, fetch: Callable[[Any], Answer], start: Any, following: Callable[[Answer], Any | None]) -> None:
        self.fetch, self.start, self.following = fetch, start, following
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Answer]:
        under_way: Future[Answer] = self.pool.submit(self.fetch, self.start)
        while True:
            answer = under_way.result()
            cursor = self.following(answer)
            if cursor is None:
                yield answer
                return
            under_way = self.pool.submit(self.fetch, cursor)
            yield answer

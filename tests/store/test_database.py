"""What a transaction leaves behind."""

from __future__ import annotations

import pytest

from relay.store.database import Database, Tx


def test_a_mistake_of_ours_amid_rows_leaves_no_lock_and_nothing_stale_behind(database_url: str) -> None:
    database, other = Database(database_url), Database(database_url)
    with other.write() as tx:
        tx.exec_driver_sql("CREATE TABLE rows_to_read (n INTEGER)")
        tx.exec_driver_sql("INSERT INTO rows_to_read VALUES (1), (2), (3)")

    def mistake(tx: Tx) -> list[float]:
        return [1 / (n - 1) for (n,) in tx.exec_driver_sql("SELECT n FROM rows_to_read")]

    try:
        with pytest.raises(ZeroDivisionError) as caught, database.read() as tx:
            mistake(tx)
        with other.write() as tx:
            tx.exec_driver_sql("INSERT INTO rows_to_read VALUES (4)")
        with database.read() as tx:
            assert tx.exec_driver_sql("SELECT count(*) FROM rows_to_read").scalar_one() == 4
        with database.write() as tx:
            tx.exec_driver_sql("INSERT INTO rows_to_read VALUES (5)")
        assert caught.tb, "which keeps the cursor open, as the page of a failure does"
    finally:
        del caught
        with other.write() as tx:
            tx.exec_driver_sql("DROP TABLE rows_to_read")
        database.close()
        other.close()

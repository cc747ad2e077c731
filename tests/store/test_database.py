"""What a transaction leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from relay.store.database import Database, Tx, among, analyze


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


def test_sqlite_finds_people_by_an_address_that_nobody_had_when_it_looked(tmp_path: Path) -> None:
    """Of a list of a million it read all people for each page of a first run."""
    database = Database(f"sqlite:///{tmp_path}/relay.sqlite3")
    people = sa.Table(
        "people", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text)
    )
    sa.Index("people_email", people.c.email)
    try:
        with database.write() as tx:
            people.create(tx)
            tx.execute(people.insert(), [{"email": None} for _ in range(20_000)])
            analyze(tx, people)
            found = sa.select(people).where(among(tx, people.c.email, ["ann@example.com"])).order_by(people.c.id)
            query = found.compile(tx, compile_kwargs={"literal_binds": True})
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
        assert "SCAN people" not in str(plan)
    finally:
        database.close()

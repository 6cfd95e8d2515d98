"""docs/guide.md: every command block in it, by somebody who does what it says."""
import re

import pytest

from conftest import ROOT, make_database
from lab.engines import ENGINES
from lab.guide import Reader, address, blocks

GUIDE = ROOT / "docs/guide.md"
CHAPTERS = re.findall(r"^## (.*)$", GUIDE.read_text(), re.M)
RECIPES = [chapter for chapter in CHAPTERS if chapter.startswith("Recipe: ")]
ROWS = 3000


def make_orders(database):
    late = ("timestamptz '2018-01-01' + i * interval '1 day'" if database.engine == "postgresql" else
            "timestamp('2018-01-01') + interval i day")
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(20) NOT NULL, currency char(3) NOT NULL, "
                     "total_cents int NOT NULL, remark varchar(100), revision int NOT NULL, "
                     f"created_at {'timestamptz' if database.engine == 'postgresql' else 'datetime'} NOT NULL)")
    database.number_rows("INSERT INTO orders SELECT i, 'delivered', CASE WHEN i % 2 = 0 THEN 'EUR' ELSE 'CHF' END, i, "
                         f"concat('order ', i), 0, {late} FROM numbers", ROWS)
    database.analyze("orders")


def test_from_the_first_role_to_the_last_look(build, cluster, tmp_path):
    """All chapters that are no recipes, in their order: what one has made the next ones use."""
    database = make_database(cluster.primary, "shop")
    places = {**address(), "/tmp/backfilld.db": f"{tmp_path}/state.db", "postgresql://backfill@db1/shop": cluster.primary.url("shop", user="backfill")}
    reader = Reader(tmp_path, database, build, places, {"BACKFILLD_URL": f"http://{places['127.0.0.1:8420']}"})
    try:
        make_orders(database)
        database.execute("DROP ROLE IF EXISTS backfill")
        for chapter in CHAPTERS:
            if chapter not in RECIPES:
                reader.run_all(blocks(GUIDE, chapter))
            if chapter == "The first job":
                assert database.value("SELECT count(*) FROM orders WHERE status = 'archived'") > ROWS / 2
            elif chapter == "The way back":
                assert re.search(r"  changed  10$", reader.said, re.M), reader.said
                assert database.rows("SELECT DISTINCT status FROM orders ORDER BY 1") == [("delivered",), ("reopened",)]
        assert database.rows("SELECT DISTINCT revision FROM orders") == [(12,)]
    finally:
        reader.leave()
        database.drop()


@pytest.mark.engines(*ENGINES)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: re.sub(r"\W+", "-", recipe.removeprefix("Recipe: ")).strip("-"))
def test_recipe(recipe, build, database, daemon, tmp_path):
    make_orders(database)
    if database.engine == "postgresql":
        database.execute("DO $$ BEGIN CREATE ROLE backfill LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    places = {} if database.engine == "postgresql" else {"public.orders": "orders", "ops.backup": "ops_backup"}
    reader = Reader(tmp_path, database, build, places, {"BACKFILLD_URL": daemon.url})
    reader.run_all(blocks(GUIDE, recipe))
    assert {job["state"] for job in daemon.get("/v1/jobs").json["jobs"]} == {"completed"}, reader.said


def test_there_are_recipes():
    assert len(RECIPES) >= 5 and all(blocks(GUIDE, recipe) for recipe in RECIPES)

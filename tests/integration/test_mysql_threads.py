"""However many jobs wait for the server, and whenever their target came: an order, a KILL QUERY and the store find a thread."""
import threading
import time

import pytest

from lab.daemon import document, pace
from lab.mysql_database import make_table
from lab.wait import until

JOBS = 8


@pytest.mark.alone
def test_orders_find_a_thread_whatever_waits(my_database, make_daemon):
    daemon = make_daemon(my_database, start=False, **my_database.target)
    daemon.environment = {"UV_THREADPOOL_SIZE": "1"}
    daemon.start()
    for number in range(JOBS):
        make_table(my_database, 50, f"t{number}")
    make_table(my_database, 50, "free")
    shop = {"primary": my_database.url, "require_approval": "none", **my_database.target}
    daemon.configure({"shop": shop, "more": {**shop, "max_jobs": JOBS}})
    daemon.hang_up("target more: new")
    other = my_database.connect(autocommit=False)
    for number in range(JOBS):
        other.cursor().execute(f"SELECT 1 FROM t{number} WHERE id = 100 FOR UPDATE")
    jobs = [daemon.submit({**document(f"t{number}", {"n": "n + 1"}, name=f"j{number}", pace=pace(20),
                                      limits={"lock_timeout": "60s", "statement_timeout": "120s"}), "target": "more"})
            for number in range(JOBS)]
    until(lambda: int(my_database.row("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")[1]) >= JOBS, 30,
          "all of them wait for a lock")
    # the store and a new session beside them
    begun = time.monotonic()
    daemon.submit({**document("free", {"other": "1"}, name="one-more"), "target": "shop"})
    submitted = time.monotonic() - begun
    begun = time.monotonic()
    threads = [threading.Thread(target=daemon.pause, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job in jobs:
        daemon.wait(job, "paused")
    paused = time.monotonic() - begun
    print(f"{JOBS} jobs that wait for locks: submitted beside them in {submitted:.2f} s, all paused in {paused:.2f} s")
    assert submitted < 1.5 and paused < 2
    other.rollback()
    other.close()
    for job in jobs:
        daemon.resume(job)
    for job in jobs:
        daemon.wait(job, "completed")
    for number in range(JOBS):
        assert dict(my_database.rows(f"SELECT n, COUNT(*) FROM t{number} GROUP BY n")) == {1: 50}

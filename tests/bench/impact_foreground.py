"""The application of tests/bench/impact: point reads and updates on random rows, from four connections.
impact_foreground.py ENGINE URL ROWS RATE SECONDS prints each transaction's milliseconds from when it was due; RATE 0: as
many as go."""
import random
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]
from impact_engines import application  # noqa: E402

CONNECTIONS = 4


def work(run, rows, rate, seconds, seed, felt):
    chance = random.Random(seed)
    begun = time.monotonic()
    due, end = begun, begun + seconds
    while due < end:
        if rate:
            due += chance.expovariate(rate / CONNECTIONS)
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)  # a load generator's clock, not a test that waits for something
        else:
            due = time.monotonic()
        run(chance.randrange(1, rows + 1), chance.random() < 0.5)
        felt.append((time.monotonic() - due) * 1000)


def main():
    engine, url, rows, rate, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
    felt = [[] for _ in range(CONNECTIONS)]
    runs = [application(engine, url) for _ in range(CONNECTIONS)]
    threads = [threading.Thread(target=work, args=(run, rows, rate, seconds, number, felt[number]))
               for number, run in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("\n".join(f"{value:.3f}" for values in felt for value in values))


if __name__ == "__main__":
    main()

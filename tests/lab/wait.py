"""Waiting for an event: polls with a deadline and says what did not happen."""
import time

PATIENCE = 1.0  # seconds after which an event is looked for less often, for who looks takes time from what is looked for


def until(condition, seconds=30.0, what="the condition", every=0.01):
    """Calls `condition` until it gives something true, which is returned. `what` may be a function of the last value."""
    start = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - start
        if waited > seconds:
            text = what(value) if callable(what) else what
            raise TimeoutError(f"after {seconds:g} s still not: {text}")
        time.sleep(every if waited < PATIENCE else max(every, 0.04))

"""Waiting for an event: polls with a deadline and says what did not happen."""
import time


def until(condition, seconds=30.0, what="the condition", every=0.01):
    """Calls `condition` until it gives something true, which is returned. `what` may be a function of the last value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            text = what(value) if callable(what) else what
            raise TimeoutError(f"after {seconds:g} s still not: {text}")
        time.sleep(every)

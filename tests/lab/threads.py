"""What goes on beside a test in threads of its own, from the beginning of a `with` to its end."""
import threading


class Threads:
    """work(name) for each of the names, in a thread each; it returns once `stopping` is set. What it raises fails the test at
    the end."""

    def __init__(self, names):
        self.stopping, self.failures = threading.Event(), []
        self._threads = [threading.Thread(target=self._run, args=(name,), daemon=True) for name in names]

    def work(self, name):
        raise NotImplementedError

    def _run(self, name):
        try:
            self.work(name)
        except Exception as error:  # a thread's own is seen by nobody
            self.failures.append(f"{type(self).__name__} {name}: {error!r}")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), f"{type(self).__name__}: a thread does not end"
        assert not self.failures, self.failures

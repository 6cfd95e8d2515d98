"""A program in a pseudo-terminal, and what its screen shows."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time


class Screen:
    """As much of a terminal as the client uses; anything else is an error."""

    def __init__(self, columns, rows=24):
        self.columns, self.rows = columns, rows
        self.lines, self.row, self.column, self.colours = [""], 0, 0, 0
        self.folded = 0  # lines that ran over the right edge

    def feed(self, text):
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[^\x1b]|\x1b", text):
            if part == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif part == "\r":
                self.column = 0
            elif part.startswith("\x1b["):
                self.control(part[2:-1], part[-1])
            else:
                assert part.isprintable(), f"{part!r} on the screen"
                if self.column >= self.columns:
                    self.folded += 1
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[:self.column] + part + line[self.column + 1:]
                self.column += 1

    def control(self, number, letter):
        if letter == "A":
            self.row = max(0, self.row - int(number or 1))
        elif letter == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif letter == "J":
            self.lines[self.row] = self.lines[self.row][:self.column]
            del self.lines[self.row + 1:]
        elif letter == "m":
            self.colours += 1
        else:
            raise AssertionError(f"unknown control {number}{letter}")

    @property
    def text(self):
        return [line for line in self.lines if line]


class Terminal:
    """The client in a pseudo-terminal."""

    def __init__(self, ctl, *line, columns=100, rows=24, **environment):
        self.screen = Screen(columns, rows)
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.process = subprocess.Popen([ctl.program, *line], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                        env={**ctl.environment, "TERM": "xterm-256color", **environment})
        os.close(slave)
        self.raw = ""
        self._bytes = b""

    def resize(self, columns, rows=24):
        self.screen.columns = columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def pump(self, seconds=0.05) -> bool:
        """Reads what is there; False at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            self._bytes += os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        try:
            text = self._bytes.decode()
            self._bytes = b""
        except UnicodeDecodeError as cut:
            text, self._bytes = self._bytes[:cut.start].decode(), self._bytes[cut.start:]
        self.raw += text
        self.screen.feed(text)
        return True

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert self.pump() and time.monotonic() < end, self.screen.lines

    def finish(self) -> int:
        while self.pump(1):
            pass
        os.close(self.master)
        return self.process.wait(20)

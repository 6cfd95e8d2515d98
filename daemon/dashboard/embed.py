"""embed.py OUTPUT NAME=FILE...: writes the files as bytes into a C file, the table of daemon/dashboard/files.h."""
import hashlib
import sys
from pathlib import Path

TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8",
         ".svg": "image/svg+xml"}


def main(output, files):
    parts = ['#include "files.h"\n']
    rows = []
    for number, pair in enumerate(files):
        name, path = pair.split("=", 1)
        data = Path(path).read_bytes()
        body = ",".join(map(str, data))
        parts.append(f"static const unsigned char bytes_{number}[] = {{{body}}};\n")
        tag = hashlib.sha256(data).hexdigest()[:16]
        rows.append(f'    {{"{name}", "{TYPES[Path(name).suffix]}", "\\"{tag}\\"", bytes_{number}, {len(data)}}},\n')
    parts.append(f"const struct bf_dashboard_file bf_dashboard_files[] = {{\n{''.join(rows)}}};\n")
    parts.append(f"const size_t bf_dashboard_file_count = {len(files)};\n")
    Path(output).write_text("".join(parts))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

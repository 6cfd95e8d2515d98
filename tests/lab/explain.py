"""What the server's own EXPLAIN (ANALYZE, BUFFERS) says of the statements that the daemon really sent."""
import json
import re

_ENTRY = re.compile(r"^(?P<head>\S+ \S+ \S+ \[\d+\] (?P<database>\S+) [^\n]*?LOG:  duration: [\d.]+ ms  plan:)\n"
                    r"(?P<plan>(?:\t[^\n]*\n)+)", re.M)


def enable(server, database):
    """Every later session in this database logs each statement's plan with the pages it touched."""
    with server.connect() as connection:
        for setting, value in {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
                               "auto_explain.log_analyze": "on", "auto_explain.log_buffers": "on",
                               "auto_explain.log_timing": "off", "auto_explain.log_format": "json"}.items():
            if setting.startswith("auto_explain"):
                connection.execute("LOAD 'auto_explain'")
            connection.execute(f"ALTER DATABASE \"{database}\" SET {setting} = '{value}'")


def plans(server, database, offset=0) -> list:
    """(statement, plan) in the order in which they were run, from that byte of the server's log on."""
    with open(server.log, "rb") as log:
        log.seek(offset)
        text = log.read().decode("utf-8", "replace")
    found = []
    for entry in _ENTRY.finditer(text):
        if entry["database"] == database:
            plan = json.loads(re.sub(r"^\t", "", entry["plan"], flags=re.M))
            found.append((plan["Query Text"], plan["Plan"]))
    return found


def pages(node) -> int:
    """The pages a node and what is below it touched."""
    return node["Shared Hit Blocks"] + node["Shared Read Blocks"]


def scan_pages(node) -> int:
    """The pages touched to find the rows: everything below the node that changes them."""
    if node["Node Type"] == "ModifyTable":
        return sum(pages(child) for child in node.get("Plans", []))
    return pages(node)

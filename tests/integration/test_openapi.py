"""The description of the interface at /v1/openapi.json: it is valid, it has every route, and what it says is so: every answer
fits it, and it takes and refuses the documents and parameters that the daemon takes and refuses."""
import copy
import json
import re
from pathlib import Path

import jsonschema
import pytest

from lab.daemon import document, pace
from lab.wait import until

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "postgresql://nobody@127.0.0.1:1/nowhere"
# Debian has the official schema of OpenAPI 3.0; 3.1 differs in its Schema Objects, which are JSON Schema itself.
OPENAPI_3_0 = Path("/usr/share/openapi-specification/schemas/v3.0/schema.json")
ROUTE = re.compile(r'X\((\w+), (\w+), "([^"]+)", (\w+), (\w+),')


@pytest.fixture
def alone(make_daemon):
    """A daemon whose target does not answer: enough for what is refused before it is asked."""
    return make_daemon(NOBODY)


@pytest.fixture
def description(alone):
    answer = alone.get("/v1/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    return answer.json


def operations(description):
    return [(method.upper(), path, operation) for path, item in description["paths"].items()
            for method, operation in item.items()]


def schema_objects(node, inside=None):
    """Every Schema Object of the description that stands in no other, with the place that holds it."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "schema" or inside == "schemas":
                yield node, key, value
            else:
                yield from schema_objects(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from schema_objects(value)


def test_it_is_valid(description):
    assert re.fullmatch(r"3\.1\.\d+", description["openapi"])
    schemas = [schema for _, _, schema in schema_objects(description)]
    assert len(schemas) > 60
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)
    frame = copy.deepcopy(description)
    frame["openapi"] = "3.0.3"
    for holder, key, _ in list(schema_objects(frame)):
        holder[key] = {}
    official = jsonschema.Draft4Validator(json.loads(OPENAPI_3_0.read_text()))
    assert not [f"{'/'.join(map(str, error.path))}: {error.message}" for error in official.iter_errors(frame)]


def test_every_reference_leads_somewhere(description):
    found = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(description))
    assert len(found) > 100
    for reference in set(found):
        node = description
        for part in reference.split("/"):
            node = node[part]
    used = {reference.rsplit("/", 1)[1] for reference in found}
    assert set(description["components"]["schemas"]) <= used, "a schema that nothing uses"


def test_every_route_once(alone, description):
    header = (ROOT / "include/backfilld/api.h").read_text()
    routes = {(method, path): (name.lower(), role.lower(), handler != "not_built")
              for name, method, path, role, handler in ROUTE.findall(re.sub(r"\\\n\s*", "", header))}
    shown = {(method, path): (operation["operationId"], operation["x-role"], operation["x-built"])
             for method, path, operation in operations(description)}
    assert len(routes) > 20 and shown == routes
    for method, path, operation in operations(description):
        names = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"]
        assert names == re.findall(r"{(\w+)}", path)
        if not operation["x-built"]:
            assert list(operation["responses"]) == ["501"]
            assert alone.request(method, re.sub(r"{\w+}", "x", path)).status == 501
        else:
            assert any(status.startswith("2") for status in operation["responses"])


def test_query_parameters_are_as_described(alone, description):
    seen = 0
    for method, path, operation in operations(description):
        if method != "GET" or not operation["x-built"] or "{" in path:
            continue
        assert alone.get(path + "?no_such=1").status == 400
        for parameter in operation["parameters"]:
            if parameter["in"] != "query":
                continue
            seen += 1
            schema, name = parameter["schema"], parameter["name"]
            many = schema.get("type") == "array"
            schema = schema["items"] if many else schema
            if "$ref" in schema:
                schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            good, bad = {
                "enum": lambda: (schema["enum"], ["", "odd"]),
                "pattern": lambda: (["campaign:x:y"] if schema["pattern"] == ":" else ["01ARZ3NDEKTSV4RRFFQ69G5FAV"],
                                    ["", "none", "81ARZ3NDEKTSV4RRFFQ69G5FAV"]),
                "minimum": lambda: ([schema["minimum"], schema["maximum"]],
                                    [schema["minimum"] - 1, schema["maximum"] + 1, "", "1e1", "0x1", "%2B1", "1.0"]),
                "type": lambda: (["x"], []),
            }[next(key for key in ("enum", "pattern", "minimum", "type") if key in schema)]()
            for value in good:
                assert alone.get(f"{path}?{name}={value}").status == 200, f"{path}?{name}={value}"
            for value in bad:
                assert alone.get(f"{path}?{name}={value}").status == 400, f"{path}?{name}={value}"
            twice = alone.get(f"{path}?{name}={good[0]}&{name}={good[0]}").status
            assert twice == (200 if many else 400), f"{path}?{name} twice"
    assert seen >= 8


class Watched:
    """Asks the daemon and holds every answer against the description, which here has to name every member."""

    def __init__(self, daemon, description):
        self.daemon, self.description, self.seen = daemon, description, set()
        self.components = copy.deepcopy(description["components"])
        for schema in self.components["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)

    def __call__(self, method, path, body=None, headers=None, status=None):
        answer = self.daemon.request(method, path, body, headers)
        if status is not None:
            assert answer.status == status, answer.text
        template = next(template for template in sorted(self.description["paths"]) if re.fullmatch(
            re.sub(r"{\w+}", "[^/]+", template), path.split("?")[0]))
        operation = self.description["paths"][template][method.lower()]
        self.seen.add((method, template, str(answer.status)))
        response = operation["responses"].get(str(answer.status))
        assert response, f"{method} {path} answers {answer.status}, which is not described: {answer.text}"
        if "$ref" in response:
            response = self.components["responses"][response["$ref"].rsplit("/", 1)[1]]
        media = answer.headers["content-type"].split(";")[0]
        content = response["content"].get(media) or response["content"]["text/*"]
        for name in response.get("headers", {}):
            assert name.lower() in answer.headers
        said = answer.json if media.endswith("json") else answer.text
        jsonschema.validate(said, {**content["schema"], "components": self.components},
                            jsonschema.Draft202012Validator)
        return said


def test_every_answer_fits(make_daemon, database, description):
    daemon = make_daemon(database, require_approval="all", replicas="auto")
    ask = Watched(daemon, description)
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO orders SELECT generate_series(1, 5000)")
    job = document("orders", {"n": "n + 1"}, name="first", pace={**pace(100), "nice": 5}, owner="team", description="why",
                   labels={"campaign": "gdpr"}, key=["id"], range={"after": ["0"], "through": ["5000"]}, where="n = 0", undo="journal")
    ask("POST", "/v1/jobs?dry_run=true", job, status=200)
    made = ask("POST", "/v1/jobs", job, status=201)
    daemon.wait(made, "awaiting_approval")
    ask("GET", "/v1/jobs/first", status=200)
    ask("GET", "/v1/jobs/first/plan", status=200)
    ask("POST", "/v1/jobs", job, status=409)
    ask("POST", "/v1/jobs/first/approve", {"confirm": "second"}, status=422)
    ask("POST", "/v1/jobs/first/approve", {"confirm": "first", "comment": "seen"}, status=200)
    until(lambda: ask("GET", "/v1/jobs/first")["progress"]["batches"] > 2, 30, "it works")
    ask("GET", "/v1/jobs", status=200)
    watched = ask("GET", "/v1/targets/shop", status=200)
    assert watched["watching"] and watched["replicas"] and watched["signals"]
    ask("POST", "/v1/targets/shop/replicas/replica/ignore", {"for": "1m", "reason": "a look"}, status=200)
    ask("POST", "/v1/targets/shop/replicas/replica/heed", {"reason": "seen"}, status=200)
    ask("POST", "/v1/jobs/first/pause", {"reason": "a look"}, status=202)
    until(lambda: ask("GET", "/v1/jobs/first")["state"] == "paused", 30, "it is paused")
    ask("POST", "/v1/jobs/first/pause", status=200)
    ask("GET", "/v1/jobs/first/bad-rows?limit=1", status=200)
    ask("POST", "/v1/jobs/first/retry-bad-rows", {"reason": "repaired"}, status=200)
    changed = ask("PATCH", "/v1/jobs/first", {"pace": {"nice": 4}, "limits": {"lock_timeout": "2s"}}, status=200)
    assert changed["document"]["pace"]["nice"] == 4
    ask("PATCH", "/v1/jobs/first", {"pace": {"nice": 3}}, {"If-Match": '"1"'}, status=412)
    ask("POST", "/v1/jobs/first/clone", {"name": "second", "from": "position"}, {"Idempotency-Key": "k"}, status=201)
    ask("POST", "/v1/jobs/second/abort", status=202)
    ask("POST", "/v1/jobs/first/pause", {"for": "2h"}, status=200)
    held = ask("POST", "/v1/pause-all", {"target": "shop", "reason": "a look"}, status=200)
    assert [latch["target"] for latch in held["latches"]] == ["shop"]
    ask("GET", "/v1/targets/shop", status=200)
    ask("POST", "/v1/jobs/first/resume", status=409)
    ask("POST", "/v1/resume-all", {"target": "shop"}, status=200)
    ask("POST", "/v1/jobs/first/resume", status=202)
    ask("POST", "/v1/jobs/first/abort", {}, status=202)
    until(lambda: ask("GET", "/v1/jobs/first")["state"] == "aborted", 30, "it is aborted")
    ask("POST", "/v1/jobs/first/abort", {}, status=200)
    ask("POST", "/v1/jobs/first/pause", {}, status=409)
    database.execute("UPDATE orders SET n = 7 WHERE id = 1")
    assert ask("POST", "/v1/jobs/first/rollback?dry_run=true", {}, status=200)["sampled_changed"] == 1
    ask("POST", "/v1/jobs/first/forget", {"confirm": "second"}, status=422)
    other = Watched(make_daemon(database), description)
    assert [one["id"] for one in other("GET", "/v1/targets/shop", status=200)["foreign_jobs"]] == [made["id"]]
    other("POST", "/v1/targets/shop/adopt", {"job": made["id"], "confirm": "first"}, status=201)
    ask.seen |= other.seen
    ask("POST", "/v1/jobs/first/rollback", {"reason": "a look"}, status=202)
    until(lambda: ask("GET", "/v1/jobs/first")["state"] == "rolled_back", 30, "it is rolled back")
    ask("POST", "/v1/jobs/first/rollback", status=200)
    assert len(ask("GET", "/v1/jobs/first/conflicts?limit=1", status=200)["conflicts"]) == 1
    ask("POST", "/v1/jobs/first/forget", {"confirm": "first"}, status=202)
    ask("POST", "/v1/alerts", {"version": "4", "alerts": [{"status": "firing", "fingerprint": "f", "startsAt": "s", "labels": {"backfill": "first"}}]},
        status=200)
    ask("GET", "/v1/jobs?state=rolled_back&limit=1", status=200)
    ask("GET", "/v1/jobs/first/events", status=200)
    assert {"asked", "done"} <= {one.get("outcome") for one in ask("GET", "/v1/audit?limit=500", status=200)["records"]}
    until(lambda: ask("GET", "/v1/jobs/first/samples?step=1m", status=200)["samples"], 30, "a point")
    ask("GET", "/v1/events?after=0&limit=3", status=200)
    ask("GET", "/v1/job-files", status=200)
    ask("GET", "/v1/targets", status=200)
    ask("GET", "/v1/targets/shop", status=200)
    ask("GET", "/v1/targets/none", status=404)
    ask("GET", "/v1/identity", status=200)
    ask("POST", "/v1/sign-in", {"token": "x"}, status=404)  # there are no tokens here: test_identity.py signs in
    ask("POST", "/v1/sign-out", {}, status=200)
    ask("GET", "/healthz", status=200)
    ask("GET", "/readyz", status=200)
    ask("GET", "/metrics", status=200)
    ask("GET", "/", status=200)
    ask("GET", "/dashboard/app.js", status=200)
    ask("GET", "/v1/openapi.json", status=200)
    missing = [(method, path) for method, path, operation in operations(description) if operation["x-built"]
               and path != "/v1/sign-in" and not {(method, path, status) for status in ("200", "201", "202")} & ask.seen]
    assert missing == [("POST", "/v1/jobs/{job}/resume")] or not missing


def test_every_refusal_fits(alone, description):
    ask = Watched(alone, description)
    for method, path, operation in operations(description):
        at = re.sub(r"{\w+}", "none", path)
        body = {} if method != "GET" else None
        ask(method, at, body)
        if not operation["x-built"]:
            continue
        ask(method, at, body, {"Host": "evil.example"}, status=403)
        ask(method, at + "?odd=1", body, status=400)
        if not any(parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"]):
            ask(method, at, body, {"Idempotency-Key": "1"}, status=400)
        else:
            ask(method, at, body, {"Idempotency-Key": "a b"}, status=400)
        if method == "GET":
            ask(method, at, b"{}", status=400)
            continue
        ask(method, at, b"{", status=400)
        ask(method, at, {"colour": 1}, status=422)
        ask(method, at, b" " * (1 << 20) + b"{}", status=413)
        ask(method, at, b"{}", {"Content-Type": "text/plain"}, status=415)
    ask("GET", "/readyz", status=503)
    ask("POST", "/v1/jobs", document("t", {"n": "1"}), status=503)


def variants(schema, value):
    """Values around the bounds of a schema; `value` is one that is good."""
    if "not" in schema:
        return [value, None, {}]
    if "const" in schema:
        return [schema["const"], "other", "", 1]
    if "enum" in schema:
        return [*schema["enum"], "other", "", 1]
    if "anyOf" in schema:
        return [made for inner in schema["anyOf"] for made in variants(inner, value)]
    kind = schema["type"]
    if kind == "object" and "properties" in schema:
        return [{}, {"colour": 1}, [], "x"] + [{**(value or {}), name: made} for name, inner in schema["properties"].items()
                                               for made in variants(inner, (value or {}).get(name))]
    if kind == "object":
        most, inner = schema["maxProperties"], schema["additionalProperties"]
        return [{}, [], {f"k{n}": "1" for n in range(most)}, {f"k{n}": "1" for n in range(most + 1)}, {"": "1"},
                {"k" * schema["propertyNames"]["maxLength"]: "1"}, {"k" * (schema["propertyNames"]["maxLength"] + 1): "1"},
                {"a\nb": "1"}] + [{"k": made} for made in variants(inner, "1")]
    if kind == "array":
        entries = [str(n) for n in range(schema["maxItems"] + 1)]
        return [[], {}, entries[:-1], entries, ["a", "a"], [""], [1], ["a\x01"]] + [
            [made] for made in variants(schema["items"], value[0] if value else None)]
    if kind in ("integer", "number") and "minimum" in schema:
        step = 1 if kind == "integer" else 0.5
        return [schema["minimum"], schema["minimum"] - step, schema["maximum"], schema["maximum"] + step, "1", None, True]
    if kind == "boolean":
        return [True, False, "true", 1, None]
    values = ["", " ", 1, None, [], "a\nb", "a\x7fb", "\u00e9", "A b", "1s", "1 s", "1.5s", "-1s", "1", "s"]
    if "maxLength" in schema:
        values += ["x" * schema["maxLength"], "x" * (schema["maxLength"] + 1)]
    return values + ["x" * 63, "x" * 64]


def test_the_document_schema_and_the_daemon_agree(alone, description):
    """For documents that are wrong in one field alone. Where fields are held against one another only the daemon knows."""
    schema = description["components"]["schemas"]["JobDocument"]
    validator = jsonschema.Draft202012Validator(schema)
    check = {"name": "n", "sql": "SELECT 1", "equals": "1"}
    wanted = {"checks": {"before": [check]}, "triggers": [{"name": "a", "signal": "error_rate", "above": 1}], "undo": {"set": {"n": "0"}}}
    base = document("t", {"n": "1"})
    assert validator.is_valid({**base, "checks": {"before": [check], "after": [check, check]}})
    tried = taken = 0
    for name, inner in schema["properties"].items():
        for value in variants(inner, wanted.get(name, base.get(name))):
            job = {**base, name: value}
            answer = alone.post("/v1/jobs?dry_run=true", job)
            tried += 1
            if answer.status == 503:  # all is well, and the target is asked
                taken += 1
                assert validator.is_valid(job), f"the daemon takes {name}: {value!r:.200}"
                continue
            assert answer.status == 422, f"{name}: {value!r:.200}: {answer.text}"
            pointers = {error["pointer"] for error in answer.json["errors"]}
            assert all(pointer.startswith(f"/{name}") or pointer == "/limits/statement_timeout" for pointer in pointers)
            if validator.is_valid(job) and not {"table", "set", "where", "remaining", "checks", "triggers", "undo"} & {name}:  # no schema knows SQL
                text = " ".join(error["detail"] for error in answer.json["errors"])
                assert re.search(r"must be from|is not a duration|must not be under|min <= start|bytes; |already|"
                                 r"there is no target|there is no such signal|must be over 0|no way back|no undo journal", text), f"only the daemon refuses {name}: {value!r:.200}: {text}"
        without = {key: value for key, value in base.items() if key != name}
        good = alone.post("/v1/jobs?dry_run=true", without).status == 503
        assert good == validator.is_valid(without) == (name not in schema["required"])
    assert tried > 300 and taken > 60

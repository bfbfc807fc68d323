"""What Schemathesis checks of the native API beside what it knows to check.

A schema says which words there are, how long a text is, and what stands beside what. It cannot say
which things there are, what time it is, or whether an address is public. Only for that is a
request bad that conforms.

With an idempotency key the same request again is answered alike. Each key is therefore for one
request only: by the key of another one it would be answered without being read.
"""

import itertools
import os
import re

import requests
import schemathesis

KEY = "Idempotency-Key"
VERSION = "If-Match"
numbers = itertools.count()
# What there is, by the names that those who ask for plans have for it.
HOSTS = itertools.cycle(["host-1", "host-2", "host-3"])
SERVERS = os.environ["SERVERS"].split(",")

# A marker is one that a list gave, and nobody else knows which those are.
EVERYWHERE = [r"\?marker"]

# By operation: which parts may be wrong, as problems name them.
BEYOND_A_SCHEMA = {
    # It has passed.
    "POST /hosts/{host}/maintenance": [r"#/deadline"],
    # No such host, pool or server; a destination is for one server, others are for hosts or pools.
    "POST /plans": [
        # Schemathesis takes some that name two kinds of things for conforming, which they are not.
        r"#",
        r"#/destination",
        r"#/enter_maintenance",
        r"#/host",
        r"#/hosts/\d+",
        r"#/max_unavailable",
        r"#/pool",
        r"#/to",
        r"#/servers/\d+",
        r"#/constraints.*",
        r"#/deadline",
        # What stands beside what it is of no use to.
        r"#/immovable",
        r"#/return_home",
        r"#/retain_until",
    ],
    # It is no URL, or leads to what is not public.
    "POST /webhooks": [r"#/url"],
}


@schemathesis.check
def refused_only_for_what_no_schema_says(_context, response, case):
    made = case.meta and case.meta.generation.mode
    if response.status_code != 400 or not made or not made.is_positive:
        return
    allowed = EVERYWHERE + BEYOND_A_SCHEMA.get(case.operation.label, [])
    for error in response.json()["errors"]:
        pointer = error["pointer"]
        if not any(re.fullmatch(pattern, pointer) for pattern in allowed):
            raise AssertionError(f"it conforms, and yet {pointer}: {error['detail']}")


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if not case.headers:
        return
    # What it makes up for headers in its phase "coverage" has no quotation marks, whatever the
    # pattern: this stands for a version.
    if case.headers.get(VERSION) == "0":
        case.headers[VERSION] = "*"
    key = case.headers.get(KEY)
    # Those that are malformed stay.
    if isinstance(key, str) and 1 <= len(key) <= 255:
        case.headers[KEY] = f"{next(numbers)}-{key}"[:255]


@schemathesis.hook
def map_body(_context, body):
    """Half of the plans are of what there is, so that they are made."""
    if isinstance(body, dict) and next(numbers) % 2:
        if isinstance(body.get("host"), str):
            body = {**body, "host": next(HOSTS)}
        servers = body.get("servers")
        if isinstance(servers, list) and 0 < len(servers) <= len(SERVERS):
            body = {**body, "servers": SERVERS[: len(servers)]}
    return body


@schemathesis.check
def a_repetition_is_answered_alike(_context, response, _case):
    done = 200 <= response.status_code < 300
    if KEY not in response.request.headers or not (done or response.status_code == 404):
        return
    with requests.Session() as session:
        again = session.send(response.request, timeout=30)
    assert again.status_code == response.status_code, f"then {again.status_code}: {again.text}"
    if done and b'"secret"' not in response.content:
        assert again.content == response.content, f"then {again.text}"

"""What a request is refused for that conforms to the document.

A schema says which words there are, how long a text is, and what stands beside what. It cannot say
which things there are, what time it is, or whether an address is public. Only for that is a
request bad that conforms.
"""

import re

import schemathesis

# A marker is one that a list gave, and nobody else knows which those are.
EVERYWHERE = [r"\?marker"]

# By operation: which parts may be wrong, as problems name them.
BEYOND_A_SCHEMA = {
    # It has passed.
    "POST /hosts/{host}/maintenance": [r"#/deadline"],
    # No such host, pool or server; and a destination is for one server, maintenance for one host.
    "POST /plans": [
        r"#",
        r"#/destination",
        r"#/enter_maintenance",
        r"#/host",
        r"#/hosts/\d+",
        r"#/pool",
        r"#/to",
        r"#/servers/\d+",
        r"#/constraints.*",
        r"#/deadline",
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

"""Lends openstacksdk to the system tests: one JSON request a line in, one answer a line out.

A request names a method below an `openstack.connection.Connection`
(`compute.live_migrate_server`), its arguments, and a microversion to pin; nothing here knows
what the methods do, so what the tests exercise is the SDK as it is on PyPI. Starting Python
for each call would cost more than the calls.

    {"method": "compute.get_server", "args": ["..."], "kwargs": {}, "microversion": "2.80"}
    {"value": {...}}  or  {"error": {"status": 409, "message": "...", "type": "ConflictException"}}

The cloud comes from clouds.yaml by the usual environment (OS_CLIENT_CONFIG_FILE, OS_CLOUD).
"""

import json
import sys
import types

import openstack
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException
from openstack.resource import Resource


def plain(value):
    """What JSON can say of an answer of the SDK."""
    if isinstance(value, Resource):
        return value.to_dict(computed=False)
    if isinstance(value, (types.GeneratorType, list, tuple)):
        return [plain(item) for item in value]
    return value


def perform(connection, request):
    connection.compute.default_microversion = request.get("microversion")
    method = connection
    for name in request["method"].split("."):
        method = getattr(method, name)
    return plain(method(*request.get("args", []), **request.get("kwargs", {})))


def main():
    connection = openstack.connect()
    for line in sys.stdin:
        try:
            answer = {"value": perform(connection, json.loads(line))}
        except (SDKException, ClientException) as error:
            answer = {
                "error": {
                    "status": getattr(error, "status_code", None),
                    "message": getattr(error, "details", None) or str(error),
                    "type": type(error).__name__,
                }
            }
        print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    main()

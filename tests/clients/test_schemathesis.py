"""Schemathesis against the native API, by the OpenAPI document that it serves.

For every operation it makes up requests that conform to the document and such that do not, and
holds every answer to it: statuses, types, headers and schemas; that what conforms is not refused
and the rest is (schemathesis.toml, schemathesis_checks.py); 405 with the right methods; 401
without a token. The requests are the same every time. A stream, which would not end, is opened
for who accepts `text/event-stream` only: Schemathesis accepts anything, and gets the list.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

import openstack

HERE = pathlib.Path(__file__).parent
# It takes half a minute on an idle machine.
LONGEST = 400


def run(cloud, *options):
    """What Schemathesis says in the end; everything that it says where it found something."""
    session = openstack.connect(cloud=cloud)
    compute = session.compute.get_endpoint()
    servers = session.compute.servers(all_projects=cloud == "admin")
    document = urllib.parse.urljoin(compute, "/relocation/v1/openapi.json")
    command = [
        pathlib.Path(sys.executable).with_name("schemathesis"),
        *["--config-file", HERE / "schemathesis.toml", "run", document],
        *["--generation-deterministic", "--no-shrink", "--continue-on-failure"],
        *["--request-timeout", "30", "--warnings", "off", "--no-color", *options],
    ]
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            command,
            cwd=directory,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_checks.py"),
                "SERVERS": ",".join(sorted(it.id for it in servers)),
                "TOKEN": session.auth_token,
            },
            timeout=LONGEST,
            text=True,
            capture_output=True,
        )
    said = f"{done.stdout}\n{done.stderr}"
    if done.returncode:
        raise AssertionError(said)
    return said[said.index("SUMMARY") :]


class Document(unittest.TestCase):
    def test_an_administrator(self):
        print(run("admin", "--phases", "coverage,fuzzing,stateful", "--max-examples", "10"))

    def test_who_manages_one_project(self):
        print(run("manager", "--phases", "fuzzing", "--max-examples", "5"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

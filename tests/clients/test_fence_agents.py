"""Pacemaker's fence agents for OpenStack's compute hosts, from Debian's package `fence-agents`.

As Pacemaker does, each is started with its options on standard input, and told by its exit code.
Two things around them are made here:

- Pacemaker's `attrd_updater`, by which `fence_compute` leaves word for `fence_evacuate`, and which
  needs a running cluster. A file keeps what it is told.
- `inspect.getargspec`, which both agents call and which Python took away in 3.11, so that on
  Debian 12 neither works without it.
"""

import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

from fleet import HOSTS, Fleet, auth
from forks import PATIENCE

BACK = """\
import inspect

if not hasattr(inspect, "getargspec"):
    inspect.getargspec = inspect.getfullargspec
"""

# attrd_updater -p -n NAME -Q -N HOST [-U VALUE]
ATTRIBUTES = """\
#!/bin/sh
file="$0.$6"
[ "$7" != -U ] || echo "$8" > "$file"
[ ! -e "$file" ] || echo "name=\\"$3\\" host=\\"$6\\" value=\\"$(cat "$file")\\""
"""

done = []


def tearDownModule():
    print(f"fence agents: {len(done)} actions as wanted")


class Agents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        (cls.directory / "sitecustomize.py").write_text(BACK)
        cls.attributes = cls.directory / "attrd_updater"
        cls.attributes.write_text(ATTRIBUTES)
        cls.attributes.chmod(stat.S_IRWXU)
        cls.fleet = Fleet()

    def agent(self, program, action, host=None, **more):
        """Its exit code, and what it says."""
        login = auth()
        options = {
            "action": action,
            "plug": host,
            "auth_url": login["auth_url"],
            "username": login["username"],
            "password": login["password"],
            "tenant_name": login["project_name"],
            "user_domain": login["user_domain_name"],
            "project_domain": login["project_domain_name"],
            "region_name": "RegionOne",
            **more,
        }
        given = "".join(f"{name}={value}\n" for name, value in options.items() if value)
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.directory),
            "PATH": f"{self.directory}:{os.environ['PATH']}",
        }
        ended = subprocess.run(
            [f"/usr/sbin/{program}"],
            input=given,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return ended.returncode, ended.stdout + ended.stderr

    def agrees(self, program, action, host=None, code=0, **more):
        ended, said = self.agent(program, action, host, **more)
        self.assertEqual(code, ended, f"{program} {action} {host}:\n{said}")
        done.append((program, action))
        return said

    def test_a_host_is_fenced_evacuated_and_unfenced(self):
        said = self.agrees("fence_compute", "list")
        for host in HOSTS:
            self.assertIn(host, said)
        self.agrees("fence_compute", "monitor")
        self.agrees("fence_compute", "status", "host-1")
        # Nobody is evacuated from a host that lives.
        said = self.agrees("fence_evacuate", "off", "host-1", code=1)
        self.assertIn("Cannot resurrect instances from host-1 in state 'on'", said)

        names = self.fleet.on("host-1")
        self.assertTrue(names)
        self.agrees("fence_compute", "off", "host-1")
        service = self.fleet.service("host-1")
        self.assertEqual((True, "disabled"), (service.is_forced_down, service.status))
        kept = self.directory / "attrd_updater.host-1"
        self.assertEqual("yes", kept.read_text().strip())
        # 2 is `off`, as fence agents say it.
        self.agrees("fence_compute", "status", "host-1", code=2)

        self.agrees("fence_evacuate", "off", "host-1")
        for name in names:
            self.fleet.until(name, "done", "completed")
            self.assertNotEqual("host-1", self.fleet.host(name))
            # 2.11 is what they ask at: servers are started again.
            self.assertEqual("ACTIVE", self.fleet.server(name).status)
        kept.write_text("no\n")
        for name in names:
            self.fleet.until(name, "completed")
        self.agrees("fence_compute", "on", "host-1")
        service = self.fleet.service("host-1")
        self.assertEqual((False, "enabled"), (service.is_forced_down, service.status))
        self.agrees("fence_compute", "status", "host-1")


if __name__ == "__main__":
    unittest.main(verbosity=2)

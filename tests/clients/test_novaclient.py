"""python-novaclient's shell, at microversions between which its requests differ.

It sends exactly the version it is told to: below 2.27 by Nova's old header only, a cold
migration without a body's members below 2.56, and so on.
"""

import re
import unittest

from shells import Failed, nova_command, openstack_value, passed, wait_for

COMPUTE = "nova-compute"


def tearDownModule():
    print(f"nova: {len(passed)} commands passed")


class Commands:
    """What is tried at each version."""

    version = ""

    @classmethod
    def setUpClass(cls):
        rows = openstack_value("server", "list", "--all-projects", "--no-name-lookup")
        cls.servers = {row["Name"]: row["ID"] for row in rows}
        cls.services = {
            (row["Host"], row["Binary"]): row["ID"]
            for row in openstack_value("compute", "service", "list")
        }

    def shown(self, name):
        return openstack_value("server", "show", self.servers[name])

    def host(self, name):
        return self.shown(name)["OS-EXT-SRV-ATTR:host"]

    def other_host(self, name):
        return min({"host-1", "host-2", "host-3"} - {self.host(name)})

    def newest(self, name):
        return openstack_value("server", "migration", "list", "--server", self.servers[name])[0]

    def until(self, name, *statuses):
        return wait_for(
            f"{name} to be {statuses[0]}",
            lambda: self.newest(name),
            lambda row: row["Status"] in statuses,
        )

    def nova(self, *command, **how):
        return nova_command(self.version, *command, **how)

    def since(self, minor):
        """Is this version at least 2.`minor`?"""
        return int(self.version.split(".")[1]) >= minor

    def shows(self, wanted, *command, **how):
        said = self.nova(*command, **how)
        self.assertIn(wanted, said, command)

    def refuses(self, wanted, *command, **how):
        with self.assertRaises(Failed) as refusal:
            self.nova(*command, **how)
        self.assertIn(wanted, str(refusal.exception))

    def test_reading(self):
        server = self.servers["vm-1"]
        self.shows("vm-1", "list", cloud="reader")
        self.shows("lab-1", "list", "--all-tenants")
        self.shows(server, "show", "vm-1", cloud="reader")
        self.shows("host-1", "hypervisor-list")
        self.shows("host-1", "hypervisor-list", "--matching", "host-1")
        self.shows(COMPUTE, "service-list", "--host", "host-1")
        self.shows("demo.small", "flavor-list")
        self.shows("{}", "flavor-show", "demo.small")
        self.nova("aggregate-list")
        self.nova("limits")
        self.nova("version-list")
        self.shows(server, "hypervisor-servers", self.host("vm-1"))
        hypervisor = openstack_value("hypervisor", "show", "host-1")["id"]
        self.shows("QEMU", "hypervisor-show", hypervisor if self.since(53) else "1")
        if not self.since(88):
            self.shows("vcpus", "hypervisor-stats")
            self.nova("hypervisor-uptime", hypervisor if self.since(53) else "1")
        self.nova("migration-list")
        self.shows("Action", "instance-action-list", server)

    def test_live_migration(self):
        server = self.servers["vm-busy"]
        host = self.other_host("vm-1")
        self.nova("live-migration", self.servers["vm-1"], host)
        self.until("vm-1", "completed")
        self.assertEqual(host, self.host("vm-1"))
        if self.since(24):
            self.begin(server)
            self.nova("live-migration-abort", server, str(self.newest("vm-busy")["Id"]))
            self.until("vm-busy", "cancelled")
        migration = self.begin(server)
        self.shows(migration, "server-migration-list", server)
        self.shows(server, "server-migration-show", server, migration)
        self.nova("live-migration-force-complete", server, migration)
        self.until("vm-busy", "completed")
        self.shows(server, "migration-list")

    def begin(self, server):
        """Begins the move that does not end of itself; returns its number."""
        self.nova("live-migration", server, cloud="manager")
        return str(self.until("vm-busy", "running")["Id"])

    def test_cold_migration(self):
        server = self.servers["vm-2"]
        source = self.host("vm-2")
        self.nova("migrate", "--poll", server)
        self.until("vm-2", "finished")
        self.nova("resize-confirm", server)
        self.until("vm-2", "confirmed")
        self.assertNotEqual(source, self.host("vm-2"))
        named = ("--host", self.other_host("vm-2")) if self.since(56) else ()
        source = self.host("vm-2")
        self.nova("migrate", *named, "--poll", server)
        self.until("vm-2", "finished")
        self.nova("resize-revert", server)
        self.until("vm-2", "reverted")
        self.assertEqual(source, self.host("vm-2"))

    def test_evacuation(self):
        server, grave = self.servers["vm-3"], self.host("vm-3")
        self.refuses("still in use", "evacuate", server)
        service = self.service(grave)
        self.nova("service-force-down", service)
        self.nova("evacuate", server)
        self.until("vm-3", "done", "completed")
        # Its host is repaired, and clean.
        self.until("vm-3", "completed")
        self.nova("service-force-down", "--unset", service)
        stopped = self.since(95)
        self.assertEqual("SHUTOFF" if stopped else "ACTIVE", self.shown("vm-3")["status"])

    def service(self, host):
        """What the service of a host goes by: the host's name, later its own uuid."""
        return self.services[host, COMPUTE] if self.since(53) else host

    def test_a_whole_host(self):
        said = self.nova("host-evacuate-live", "--max-servers", "1", self.host("lab-1"))
        moved, accepted = re.search(r"\| ([0-9a-f-]{36}) \| (\w+)", said).groups()
        self.assertEqual("True", accepted)
        name = {server: name for name, server in self.servers.items()}[moved]
        if name == "vm-busy":
            migration = str(self.until(name, "running")["Id"])
            self.nova("live-migration-force-complete", moved, migration)
        self.until(name, "completed")

    def test_services(self):
        service = self.service("host-2")
        self.nova("service-disable", service)
        self.shows("disabled", "service-list", "--host", "host-2")
        self.nova("service-disable", "--reason", "a-fan", service)
        self.shows("a-fan", "service-list", "--host", "host-2")
        self.nova("service-enable", service)
        self.shows("enabled", "service-list", "--host", "host-2")

    def test_locks_states_and_actions(self):
        server = self.servers["vm-4"]
        reason = ("--reason", "a-backup") if self.since(73) else ()
        self.nova("lock", *reason, server, cloud="member")
        self.assertTrue(self.shown("vm-4")["locked"])
        self.nova("unlock", server, cloud="member")
        self.assertFalse(self.shown("vm-4")["locked"])
        self.nova("reset-state", server)
        self.assertEqual("ERROR", self.shown("vm-4")["status"])
        self.nova("reset-state", "--active", server)
        self.assertEqual("ACTIVE", self.shown("vm-4")["status"])
        request = openstack_value("server", "event", "list", server)[0]["Request ID"]
        self.shows(request, "instance-action-list", server)
        self.shows(request, "instance-action", server, request)


class At2_23(Commands, unittest.TestCase):
    """Server migrations have types, and cannot be aborted."""

    version = "2.23"


class At2_56(Commands, unittest.TestCase):
    """Services have uuids; a cold migration may be told where to."""

    version = "2.56"


class At2_80(Commands, unittest.TestCase):
    """Migrations tell whose they are."""

    version = "2.80"


class At2_96(Commands, unittest.TestCase):
    """Evacuated servers stay stopped; hypervisors tell less of what they run."""

    version = "2.96"


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""python-novaclient's shell, at microversions between which its requests differ.

It sends exactly the version it is told to: below 2.27 by Nova's old header only, a cold
migration without a body's members below 2.56, and so on.
"""

import unittest

from shells import Failed, nova_command, openstack_value, passed, wait_for

# Before and after: server migrations' fields; cold migrations to a host; users and projects of
# migrations; evacuated servers that stay stopped.
VERSIONS = ("2.23", "2.56", "2.80", "2.96")
COMPUTE = "nova-compute"


def tearDownModule():
    print(f"nova: {len(passed)} commands passed")


def number(version):
    return tuple(int(part) for part in version.split("."))


class Case(unittest.TestCase):
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

    def until(self, name, status):
        listing = ("server", "migration", "list", "--server", self.servers[name])

        def probe():
            row = openstack_value(*listing)[0]
            return row if row["Status"] == status else None

        return wait_for(f"{name} to be {status}", probe)

    def each(self):
        for version in VERSIONS:
            with self.subTest(version):
                yield version

    def shows(self, wanted, version, *command, **how):
        said = nova_command(version, *command, **how)
        self.assertIn(wanted, said, command)

    def refuses(self, wanted, version, *command, **how):
        with self.assertRaises(Failed) as refusal:
            nova_command(version, *command, **how)
        self.assertIn(wanted, str(refusal.exception))

    def test_reading(self):
        server = self.servers["vm-1"]
        for version in self.each():
            self.shows("vm-1", version, "list", cloud="reader")
            self.shows("lab-1", version, "list", "--all-tenants")
            self.shows(server, version, "show", "vm-1", cloud="reader")
            self.shows("host-1", version, "hypervisor-list")
            self.shows("host-1", version, "hypervisor-list", "--matching", "host-1")
            self.shows(COMPUTE, version, "service-list", "--host", "host-1")
            self.shows("demo.small", version, "flavor-list")
            nova_command(version, "aggregate-list")
            nova_command(version, "limits")
            nova_command(version, "version-list")
            hypervisor = openstack_value("hypervisor", "show", "host-1")
            if number(version) < (2, 53):
                hypervisor = 1
                self.shows("vcpus", version, "hypervisor-stats")
                self.shows("vm-", version, "hypervisor-servers", "host-1")
                self.shows("QEMU", version, "hypervisor-show", str(hypervisor))
            else:
                self.shows("QEMU", version, "hypervisor-show", hypervisor["id"])
            nova_command(version, "migration-list")
            self.shows("Action", version, "instance-action-list", server)

    def test_live_migration(self):
        server = self.servers["vm-busy"]
        for version in self.each():
            host = self.other_host("vm-1")
            nova_command(version, "live-migration", self.servers["vm-1"], host)
            self.until("vm-1", "completed")
            self.assertEqual(host, self.host("vm-1"))
            self.shows(server, version, "migration-list") if version != VERSIONS[0] else None

            nova_command(version, "live-migration", server, cloud="manager")
            row = self.until("vm-busy", "running")
            number_of = str(row["Id"])
            self.shows(number_of, version, "server-migration-list", server)
            self.shows(server, version, "server-migration-show", server, number_of)
            if number(version) >= (2, 24):
                nova_command(version, "live-migration-abort", server, number_of)
                self.until("vm-busy", "cancelled")
            else:
                nova_command(version, "live-migration-force-complete", server, number_of)
                self.until("vm-busy", "completed")
        nova_command("2.96", "live-migration", server)
        row = self.until("vm-busy", "running")
        nova_command("2.96", "live-migration-force-complete", server, str(row["Id"]))
        self.until("vm-busy", "completed")

    def test_cold_migration(self):
        server = self.servers["vm-2"]
        for version in self.each():
            source = self.host("vm-2")
            nova_command(version, "migrate", "--poll", server)
            self.until("vm-2", "finished")
            nova_command(version, "resize-confirm", server)
            self.until("vm-2", "confirmed")
            self.assertNotEqual(source, self.host("vm-2"))
            named = ("--host", self.other_host("vm-2")) if number(version) >= (2, 56) else ()
            source = self.host("vm-2")
            nova_command(version, "migrate", *named, "--poll", server)
            self.until("vm-2", "finished")
            nova_command(version, "resize-revert", server)
            self.until("vm-2", "reverted")
            self.assertEqual(source, self.host("vm-2"))

    def test_evacuation(self):
        for version in self.each():
            server, grave = self.servers["vm-3"], self.host("vm-3")
            self.refuses("still in use", version, "evacuate", server)
            service = self.service(version, grave)
            nova_command(version, "service-force-down", *service)
            nova_command(version, "evacuate", server)
            self.until("vm-3", "done")
            nova_command(version, "service-force-down", "--unset", *service)
            self.until("vm-3", "completed")
            stopped = number(version) >= (2, 95)
            self.assertEqual("SHUTOFF" if stopped else "ACTIVE", self.shown("vm-3")["status"])

    def service(self, version, host):
        """How a service is named: by host and binary, later by its uuid."""
        if number(version) < (2, 53):
            return (host, COMPUTE)
        return (self.services[host, COMPUTE],)

    def test_a_whole_host(self):
        for version in self.each():
            host = self.host("lab-1")
            said = nova_command(version, "host-evacuate-live", "--max-servers", "1", host)
            self.assertIn("True", said)
        for name in self.servers:
            rows = openstack_value("server", "migration", "list", "--server", self.servers[name])
            if rows and rows[0]["Status"] in ("accepted", "queued", "preparing", "running"):
                self.finish(name)

    def finish(self, name):
        rows = openstack_value("server", "migration", "list", "--server", self.servers[name])
        if name == "vm-busy":
            self.until(name, "running")
            nova_command(
                "2.80", "live-migration-force-complete", self.servers[name], str(rows[0]["Id"])
            )
        self.until(name, "completed")

    def test_services(self):
        for version in self.each():
            service = self.service(version, "host-2")
            nova_command(version, "service-disable", *service)
            self.shows("disabled", version, "service-list", "--host", "host-2")
            nova_command(version, "service-disable", "--reason", "a-fan", *service)
            self.shows("a-fan", version, "service-list", "--host", "host-2")
            nova_command(version, "service-enable", *service)
            self.shows("enabled", version, "service-list", "--host", "host-2")

    def test_locks_states_and_actions(self):
        server = self.servers["vm-4"]
        for version in self.each():
            reason = ("--reason", "a-backup") if number(version) >= (2, 73) else ()
            nova_command(version, "lock", *reason, server, cloud="member")
            self.assertTrue(self.shown("vm-4")["locked"])
            nova_command(version, "unlock", server, cloud="member")
            self.assertFalse(self.shown("vm-4")["locked"])
            nova_command(version, "reset-state", server)
            self.assertEqual("ERROR", self.shown("vm-4")["status"])
            nova_command(version, "reset-state", "--active", server)
            self.assertEqual("ACTIVE", self.shown("vm-4")["status"])
            request = openstack_value("server", "event", "list", server)[0]["Request ID"]
            self.shows(request, version, "instance-action-list", server)
            self.shows(request, version, "instance-action", server, request)


if __name__ == "__main__":
    unittest.main(verbosity=2)

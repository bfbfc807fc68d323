"""Every command of python-openstackclient that concerns moving servers, as a person types it.

Each test has servers of its own; all share the service.
"""

import unittest

import openstack

from shells import Failed, openstack_command, openstack_value, passed, wait_for

COMPUTE = "nova-compute"


def tearDownModule():
    print(f"openstack: {len(passed)} commands passed")


def fleet():
    """The servers' ids, by name."""
    rows = openstack_value("server", "list", "--all-projects", "--no-name-lookup")
    return {row["Name"]: row["ID"] for row in rows}


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = fleet()

    def server(self, name, **how):
        return openstack_value("server", "show", self.servers[name], **how)

    def host(self, name):
        return self.server(name)["OS-EXT-SRV-ATTR:host"]

    def other_host(self, name):
        hosts = {row["Hypervisor Hostname"] for row in openstack_value("hypervisor", "list")}
        return min(hosts - {self.host(name)})

    def newest(self, name):
        return openstack_value("server", "migration", "list", "--server", self.servers[name])[0]

    def until(self, name, *statuses):
        """Waits until the server's newest migration has one of these statuses."""
        return wait_for(
            f"{name} to be {statuses[0]}",
            lambda: self.newest(name),
            lambda row: row["Status"] in statuses,
        )

    def refused(self, *command, **how):
        with self.assertRaises(Failed) as refusal:
            openstack_command(*command, **how)
        return str(refusal.exception)


class Reading(Case):
    def test_servers_are_listed(self):
        everybody = {"vm-1", "lab-1"}
        for options in ([], ["--long"], ["--no-name-lookup"], ["--name-lookup-one-by-one"]):
            rows = openstack_value("server", "list", "--all-projects", *options)
            self.assertLessEqual(everybody, {row["Name"] for row in rows}, options)
        mine = {row["Name"] for row in openstack_value("server", "list", cloud="reader")}
        self.assertIn("vm-1", mine)
        self.assertNotIn("lab-1", mine)
        self.assertEqual([], openstack_value("server", "list", "--status", "ERROR"))

    def test_servers_are_filtered_and_paged(self):
        def names(*options):
            rows = openstack_value("server", "list", "--all-projects", *options)
            return {row["Name"] for row in rows}

        self.assertEqual({"vm-busy"}, names("--name", "^vm-busy$"))
        host = self.host("vm-1")
        self.assertIn("vm-1", names("--host", host))
        self.assertEqual({"lab-1", "lab-2"}, names("--project", "lab"))
        self.assertEqual({"lab-1", "lab-2"}, names("--user", "stranger"))
        self.assertIn("vm-1", names("--changes-since", "2020-01-01T00:00:00Z"))
        self.assertEqual(set(), names("--changes-before", "2020-01-01T00:00:00Z"))
        self.assertEqual(set(), names("--deleted"))
        self.assertEqual(2, len(names("--limit", "2")))
        self.assertEqual(3, len(names("--max-items", "3")))
        first = openstack_value("server", "list", "--all-projects", "--max-items", "1")[0]
        rest = names("--marker", first["ID"])
        self.assertNotIn(first["Name"], rest)
        self.assertEqual(len(self.servers) - 1, len(rest))

    def test_a_server_is_shown_by_id_and_by_name(self):
        by_id = self.server("vm-1", cloud="reader")
        by_name = openstack_value("server", "show", "vm-1", cloud="reader")
        self.assertEqual((by_id["id"], by_id["name"]), (by_name["id"], "vm-1"))
        self.assertEqual("ACTIVE", by_id["status"])
        self.assertIsNone(by_id["OS-EXT-SRV-ATTR:host"])
        self.assertTrue(self.host("vm-1").startswith("host-"))
        self.assertIn("No Server found", self.refused("server", "show", "nobody"))

    def test_old_microversions_are_understood(self):
        for version in ("2.1", "2.23", "2.46", "2.47", "2.56", "2.80", "2.96"):
            self.assertEqual("vm-1", self.server("vm-1", version=version)["name"])

    def test_hypervisors(self):
        rows = openstack_value("hypervisor", "list", "--long")
        names = [row["Hypervisor Hostname"] for row in rows]
        self.assertIn("host-1", names)
        self.assertEqual({"up"}, {row["State"] for row in rows})
        found = openstack_value("hypervisor", "list", "--matching", "host-1")
        self.assertEqual(["host-1"], [row["Hypervisor Hostname"] for row in found])
        self.assertEqual(1, len(openstack_value("hypervisor", "list", "--max-items", "1")))
        shown = openstack_value("hypervisor", "show", "host-1")
        self.assertEqual(shown, openstack_value("hypervisor", "show", shown["id"]))
        self.assertEqual("QEMU", shown["hypervisor_type"])
        stats = openstack_value("hypervisor", "stats", "show", version="2.87")
        self.assertEqual(len(names), stats["count"])

    def test_services(self):
        rows = openstack_value("compute", "service", "list", "--long")
        self.assertEqual({COMPUTE, "nova-conductor"}, {row["Binary"] for row in rows})
        one = ("--host", "host-1", "--service", COMPUTE)
        self.assertEqual(1, len(openstack_value("compute", "service", "list", *one)))

    def test_flavors(self):
        """Where flavors have no extra specs, the client asks for them by their own path."""
        for version in ("2.1", "2.61", "2.102"):
            rows = openstack_value("flavor", "list", "--all", "--long", version=version)
            properties = {row["Name"]: row["Properties"] for row in rows}
            self.assertEqual({}, properties["demo.small"], version)
            for flavor in ("demo.small", "demo-small"):
                shown = openstack_value("flavor", "show", flavor, cloud="reader", version=version)
                self.assertEqual(("demo-small", {}), (shown["id"], shown["properties"]), version)
        self.assertIn("No Flavor found", self.refused("flavor", "show", "nothing"))

    def test_what_else_is_asked_for(self):
        self.assertEqual([], openstack_value("aggregate", "list"))
        limits = openstack_value("limits", "show", "--absolute")
        self.assertIn("max_total_instances", {row["Name"] for row in limits})
        versions = openstack_value("versions", "show", "--service", "compute")
        self.assertIn("2.104", {row["Max Microversion"] for row in versions})


class LiveMigrations(Case):
    def test_to_wherever_it_fits(self):
        source = self.host("vm-1")
        said = openstack_command(
            "server", "migrate", "--live-migration", "--wait", self.servers["vm-1"], cloud="manager"
        )
        self.assertIn("Complete", said)
        self.assertNotEqual(source, self.host("vm-1"))
        self.assertEqual("completed", self.newest("vm-1")["Status"])

    def test_to_a_named_host(self):
        name, server = "vm-2", self.servers["vm-2"]
        for options in ([], ["--shared-migration"]):
            host = self.other_host(name)
            openstack_command(
                "server", "migrate", "--live-migration", "--host", host, "--wait", *options, server
            )
            self.assertEqual(host, self.host(name))
        # Its disks are shared already.
        said = self.refused("server", "migrate", "--live-migration", "--block-migration", server)
        self.assertIn("400", said)

    def test_an_impossible_host_is_refused_at_once(self):
        command = ("server", "migrate", "--live-migration", "--host")
        server = self.servers["vm-1"]
        self.assertIn("400", self.refused(*command, self.host("vm-1"), server))
        self.assertIn("400", self.refused(*command, "nowhere", server))
        self.assertIn("403", self.refused(*command, "host-1", server, cloud="reader"))

    def test_abort_and_force_complete(self):
        server, source = self.servers["vm-busy"], self.host("vm-busy")
        migrate = ("server", "migrate", "--live-migration", server)
        openstack_command(*migrate)
        row = self.until("vm-busy", "running")
        shown = wait_for(
            "progress",
            lambda: openstack_value("server", "migration", "show", server, row["UUID"]),
            lambda shown: shown["Memory Total Bytes"],
        )
        self.assertEqual((row["Id"], source), (shown["ID"], shown["Source Compute"]))
        openstack_command("server", "migration", "abort", server, row["UUID"])
        self.until("vm-busy", "cancelled")
        self.assertEqual(source, self.host("vm-busy"))

        openstack_command(*migrate)
        row = self.until("vm-busy", "running")
        openstack_command("server", "migration", "force", "complete", server, row["UUID"])
        self.until("vm-busy", "completed")
        self.assertNotEqual(source, self.host("vm-busy"))

    def test_migrations_are_listed(self):
        name, server = "vm-3", self.servers["vm-3"]
        source = self.host(name)
        migrate = ("server", "migrate", "--live-migration", "--wait", server)
        openstack_command(*migrate, cloud="manager")
        row = self.newest(name)
        for options in (
            ("--host", source),
            ("--status", "completed"),
            ("--type", "live-migration"),
            ("--server", server),
            ("--project", "demo"),
            ("--user", "manager"),
            ("--changes-since", "2020-01-01T00:00:00Z"),
            ("--limit", "1"),
        ):
            rows = openstack_value("server", "migration", "list", *options)
            self.assertIn(row["UUID"], [it["UUID"] for it in rows], options)
        for options in (
            ("--status", "error"),
            ("--type", "evacuation"),
            ("--changes-before", "2020-01-01T00:00:00Z"),
            ("--server", server, "--marker", row["UUID"]),
        ):
            rows = openstack_value("server", "migration", "list", *options)
            self.assertNotIn(row["UUID"], [it["UUID"] for it in rows], options)
        for version in ("2.1", "2.23", "2.59", "2.66", "2.80"):
            rows = openstack_value("server", "migration", "list", version=version)
            self.assertIn(server, {it["Server UUID"] for it in rows}, version)


class ColdMigrations(Case):
    def test_confirmed(self):
        name, server = "vm-4", self.servers["vm-4"]
        for confirm in (
            ("server", "migration", "confirm"),
            ("server", "migrate", "confirm"),
            ("server", "resize", "confirm"),
        ):
            source = self.host(name)
            openstack_command("server", "migrate", "--wait", server)
            self.assertEqual("VERIFY_RESIZE", self.server(name)["status"])
            openstack_command(*confirm, server)
            self.until(name, "confirmed")
            shown = self.server(name)
            self.assertEqual("ACTIVE", shown["status"])
            self.assertNotEqual(source, shown["OS-EXT-SRV-ATTR:host"])
        rows = openstack_value("server", "migration", "list", "--type", "cold-migration")
        self.assertIn(server, {row["Server UUID"] for row in rows})

    def test_reverted(self):
        name, server = "vm-5", self.servers["vm-5"]
        source = self.host(name)
        for revert in (
            ("server", "migration", "revert"),
            ("server", "migrate", "revert"),
            ("server", "resize", "revert"),
        ):
            host = self.other_host(name)
            openstack_command("server", "migrate", "--host", host, "--wait", server)
            self.assertEqual(host, self.host(name))
            openstack_command(*revert, server)
            self.until(name, "reverted")
            shown = self.server(name)
            self.assertEqual(("ACTIVE", source), (shown["status"], shown["OS-EXT-SRV-ATTR:host"]))


class Evacuations(Case):
    """A simulated host that is forced down has no power, until it is repaired after a while."""

    def test_a_dead_host_is_evacuated_and_returns(self):
        names = ("vm-6", "vm-7")
        grave = self.host("vm-6")
        if self.host("vm-7") != grave:
            self.live_migrate("vm-7", grave)
        server = self.servers["vm-6"]
        said = self.refused("server", "evacuate", server)
        self.assertIn("still in use", said)

        openstack_command("compute", "service", "set", "--down", grave, COMPUTE)
        refuge = self.other_host("vm-6")
        # Below 2.95 it is started again.
        openstack_command("server", "evacuate", server, version="2.94")
        openstack_command("server", "evacuate", "--host", refuge, self.servers["vm-7"])
        for name in names:
            self.until(name, "done", "completed")
            self.assertNotEqual(grave, self.host(name))
        self.assertEqual("ACTIVE", self.server("vm-6")["status"])
        self.assertEqual("SHUTOFF", self.server("vm-7")["status"])
        self.assertEqual(refuge, self.host("vm-7"))

        # It is repaired, and has cleaned up.
        for name in names:
            self.until(name, "completed")
        openstack_command("compute", "service", "set", "--up", grave, COMPUTE)
        rows = openstack_value("server", "migration", "list", "--type", "evacuation")
        self.assertLessEqual(
            {self.servers[name] for name in names}, {row["Server UUID"] for row in rows}
        )

    def test_one_that_fits_nowhere_is_waited_for(self):
        """This client never sees that an evacuation succeeded: it takes `active`, in small
        letters, for none of the states that it waits for. Of failures it hears.
        """
        server, grave = self.servers["vm-11"], self.host("vm-11")
        others = {"host-1", "host-2", "host-3"} - {grave}
        setting = ("compute", "service", "set")
        for host in others:
            openstack_command(*setting, "--disable", host, COMPUTE)
        openstack_command(*setting, "--down", grave, COMPUTE)
        said = self.refused("server", "evacuate", "--wait", server)
        self.assertIn("Error evacuating server", said)
        self.assertEqual("ERROR", self.server("vm-11")["status"])
        for host in others:
            openstack_command(*setting, "--enable", host, COMPUTE)
        openstack_command("server", "evacuate", server, version="2.94")
        self.until("vm-11", "done", "completed")
        self.assertEqual("ACTIVE", self.server("vm-11")["status"])
        self.until("vm-11", "completed")
        openstack_command(*setting, "--up", grave, COMPUTE)

    def live_migrate(self, name, host):
        openstack_command(
            "server", "migrate", "--live-migration", "--host", host, "--wait", self.servers[name]
        )


class Services(Case):
    def state(self, host):
        options = ("--host", host, "--service", COMPUTE, "--long")
        return openstack_value("compute", "service", "list", *options)[0]

    def test_disabled_and_enabled(self):
        command = ("compute", "service", "set")
        openstack_command(*command, "--disable", "host-3", COMPUTE)
        self.assertEqual("disabled", self.state("host-3")["Status"])
        openstack_command(*command, "--disable", "--disable-reason", "a fan", "host-3", COMPUTE)
        self.assertEqual("a fan", self.state("host-3")["Disabled Reason"])
        openstack_command(*command, "--enable", "host-3", COMPUTE)
        row = self.state("host-3")
        self.assertEqual(("enabled", None), (row["Status"], row["Disabled Reason"]))
        openstack_command(*command, "--disable", "host-3", COMPUTE, version="2.1")
        openstack_command(*command, "--enable", "host-3", COMPUTE, version="2.1")
        self.assertEqual("enabled", self.state("host-3")["Status"])

    def test_deleted_only_when_nothing_is_left(self):
        service = str(self.state("host-1")["ID"])
        self.assertIn("failed", self.refused("compute", "service", "delete", service))


class Locks(Case):
    def test_locked_and_unlocked(self):
        server = self.servers["vm-8"]
        openstack_command("server", "lock", "--reason", "a backup", server, cloud="member")
        shown = self.server("vm-8")
        self.assertEqual((True, "a backup"), (shown["locked"], shown["locked_reason"]))
        locked = openstack_value("server", "list", "--all-projects", "--locked")
        self.assertEqual(["vm-8"], [row["Name"] for row in locked])
        migrate = ("server", "migrate", "--live-migration", server)
        self.assertIn("409", self.refused(*migrate, cloud="manager"))
        openstack_command("server", "unlock", server, cloud="member")
        unlocked = openstack_value("server", "list", "--all-projects", "--unlocked")
        self.assertIn("vm-8", [row["Name"] for row in unlocked])
        openstack_command("server", "lock", server, cloud="member", version="2.1")
        openstack_command("server", "unlock", server, cloud="member", version="2.1")


class States(Case):
    def test_an_administrator_resets_a_state(self):
        server = self.servers["vm-9"]
        for state, status in (("error", "ERROR"), ("active", "ACTIVE")):
            openstack_command("server", "set", "--state", state, "--auto-approve", server)
            self.assertEqual(status, self.server("vm-9")["status"])


class Events(Case):
    def test_what_was_done_to_a_server(self):
        server = self.servers["vm-10"]
        openstack_command("server", "migrate", "--live-migration", "--wait", server)
        openstack_command("server", "lock", server)
        openstack_command("server", "unlock", server)
        rows = openstack_value("server", "event", "list", "--long", server)
        actions = [row["Action"] for row in rows]
        self.assertEqual(["unlock", "lock", "live-migration"], actions)
        shown = openstack_value("server", "event", "show", server, rows[-1]["Request ID"])
        self.assertEqual("live-migration", shown["action"])
        self.assertTrue(shown["events"])
        page = openstack_value("server", "event", "list", "--limit", "1", server, version="2.58")
        self.assertEqual("unlock", page[0]["Action"])
        old = ("--changes-before", "2020-01-01T00:00:00Z")
        self.assertEqual([], openstack_value("server", "event", "list", *old, server))
        new = ("--changes-since", "2020-01-01T00:00:00Z")
        self.assertEqual(3, len(openstack_value("server", "event", "list", *new, server)))


class Strangers(Case):
    def test_others_see_nothing(self):
        said = self.refused("server", "show", self.servers["vm-1"], cloud="stranger")
        self.assertIn("No Server found", said)
        self.assertIn("403", self.refused("server", "migration", "list", cloud="reader"))
        with self.assertRaises(Exception):
            openstack.connect(cloud="nobody")


if __name__ == "__main__":
    unittest.main(verbosity=2)

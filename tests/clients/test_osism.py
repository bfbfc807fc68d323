"""`osism manage compute`: how OSISM's operators list, empty, evacuate and put back hosts.

Each command is a process of its own. It would find the cloud's password in OSISM's vault, in a
place below /opt that is not ours to fill; the one function that looks there answers here instead.
"""

import unittest

import osism.commands.compute  # noqa: F401  (what a command would read only when it runs)
import osism.main
import osism.tasks.openstack

import forks
from fleet import COMPUTE, HOSTS, Fleet, auth

done = []


def tearDownModule():
    print(f"osism: {len(done)} commands passed")


def osism_command(*arguments):
    """What `osism manage compute ARGUMENTS` prints."""
    arguments = ["manage", "compute", *arguments]
    said = forks.run(osism.main.main, "osism", arguments, {})
    done.append(arguments)
    return said


osism.tasks.openstack.get_cloud_password = lambda cloud: auth(cloud)["password"]


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet()


class Commands(Case):
    def test_hosts_and_what_runs_on_them_are_listed(self):
        for options in ([], ["--details"]):
            said = osism_command("list", *options)
            for host in HOSTS:
                self.assertIn(host, said)
        on_one = self.fleet.on("host-1")
        domain = "default"
        for options in ([], ["--domain", domain]):
            said = osism_command("list", *options, "host-1")
            listed = {name for name in self.fleet.ids if f"| {name} " in said}
            self.assertEqual(on_one, listed, options)

    def test_a_host_is_taken_out_and_put_back(self):
        osism_command("disable", "host-3")
        service = self.fleet.service("host-3")
        self.assertEqual(("disabled", "MAINTENANCE"), (service.status, service.disabled_reason))
        osism_command("enable", "host-3")
        self.assertEqual("enabled", self.fleet.service("host-3").status)

    def test_servers_are_moved_off_a_host(self):
        source = self.fleet.host("vm-1")
        target = self.fleet.other_host("vm-1")
        osism_command("migrate", "--yes", "--filter", "vm-1", "--target", target, source)
        self.assertEqual(target, self.fleet.host("vm-1"))
        self.fleet.until("vm-1", "completed")
        said = osism_command("migration", "list", "--server", "vm-1", "--user", "admin")
        self.assertIn("live-migration", said)
        self.assertIn(self.fleet.ids["vm-1"], said)

    def test_servers_that_are_off_are_moved_cold(self):
        grave = self.fleet.host("vm-2")
        self.fleet.force_down(grave)
        # From 2.95 on, which openstacksdk asks at, it stays off.
        self.fleet.compute.evacuate_server(self.fleet.ids["vm-2"])
        self.fleet.until("vm-2", "done", "completed")
        self.assertEqual("SHUTOFF", self.fleet.server("vm-2").status)
        self.fleet.return_to_work(grave, ["vm-2"])

        source, target = self.fleet.host("vm-2"), self.fleet.other_host("vm-2")
        osism_command("migrate", "--yes", "--filter", "vm-2", "--target", target, source)
        self.fleet.until("vm-2", "confirmed")
        server = self.fleet.server("vm-2")
        self.assertEqual(("SHUTOFF", target), (server.status, server.compute_host))

    def test_servers_are_stopped_and_started_and_a_host_evacuated(self):
        host = self.fleet.host("vm-3")
        names = self.fleet.on(host)
        for command, status in (("stop", "SHUTOFF"), ("start", "ACTIVE")):
            osism_command(command, "--yes", host)
            for name in names:
                self.reaches(name, status)

        # It stops them, declares the host dead, and starts them where they are then.
        osism_command("evacuate", "--yes", host)
        for name in names:
            server = self.fleet.server(name)
            self.assertEqual("ACTIVE", server.status)
            self.assertNotEqual(host, server.compute_host)
        service = self.fleet.service(host)
        self.assertEqual((True, "EVACUATE"), (service.is_forced_down, service.disabled_reason))
        for name in names:
            self.fleet.until(name, "completed")
        osism_command("enable", host)
        service = self.fleet.service(host)
        self.assertEqual((False, "enabled"), (service.is_forced_down, service.status))

    def reaches(self, name, status):
        forks.wait_for(
            f"{name} to be {status}",
            lambda: self.fleet.server(name),
            lambda server: (server.status, server.task_state) == (status, None),
        )


if __name__ == "__main__":
    unittest.main(verbosity=2)

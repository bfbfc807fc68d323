"""openstacksdk's calls that concern moving servers, as a program makes them."""

import unittest

import openstack
from openstack.exceptions import (
    BadRequestException,
    ConflictException,
    ForbiddenException,
    HttpException,
    NotFoundException,
)

from shells import wait_for

COMPUTE = "nova-compute"


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.connection = openstack.connect(cloud="admin")
        cls.admin = cls.connection.compute
        cls.manager = openstack.connect(cloud="manager").compute
        cls.reader = openstack.connect(cloud="reader").compute
        cls.servers = {it.name: it.id for it in cls.admin.servers(all_projects=True)}

    def shown(self, name):
        return self.admin.get_server(self.servers[name])

    def host(self, name):
        return self.shown(name).compute_host

    def other_host(self, name):
        return min({it.name for it in self.admin.hypervisors()} - {self.host(name)})

    def newest(self, name):
        return next(iter(self.admin.migrations(instance_uuid=self.servers[name])))

    def until(self, name, *statuses):
        return wait_for(
            f"{name} to be {statuses[0]}",
            lambda: self.newest(name),
            lambda it: it.status in statuses,
        )

    def test_reading(self):
        server = self.reader.find_server("vm-1")
        self.assertEqual(self.servers["vm-1"], server.id)
        self.assertIsNone(self.reader.find_server("nobody"))
        self.assertIsNone(self.reader.find_server("lab-1"))
        self.assertEqual(server.id, self.reader.get_server(server.id).id)
        self.assertEqual(server.id, next(self.reader.servers(name="^vm-1$", details=False)).id)
        paged = [it.id for it in self.admin.servers(all_projects=True, limit=3)]
        self.assertEqual(sorted(self.servers.values()), sorted(paged))
        self.assertEqual([], list(self.admin.aggregates()))
        flavor = next(self.admin.flavors())
        self.assertEqual(flavor.name, self.admin.get_flavor(flavor.id).name)
        self.assertTrue(self.admin.get_limits())
        hypervisor = self.admin.find_hypervisor("host-1")
        self.assertEqual("QEMU", self.admin.get_hypervisor(hypervisor.id).hypervisor_type)
        self.assertIn(COMPUTE, {it.binary for it in self.admin.services()})

    def test_live_migrations(self):
        name, server = "vm-busy", self.servers["vm-busy"]
        source = self.host(name)
        self.manager.live_migrate_server(server, block_migration="auto")
        running = self.until(name, "running")
        moving = next(self.admin.server_migrations(server))
        self.assertEqual((running.id, running.uuid), (moving.id, moving.uuid))
        again = wait_for(
            "progress",
            lambda: self.admin.get_server_migration(moving.id, server),
            lambda shown: shown.memory_total_bytes,
        )
        self.assertEqual(source, again.source_compute)
        with self.assertRaises(ConflictException):
            self.manager.live_migrate_server(server, block_migration="auto")
        self.admin.abort_server_migration(moving.id, server, ignore_missing=False)
        self.until(name, "cancelled")
        with self.assertRaises(ConflictException):
            self.admin.abort_server_migration(moving.id, server, ignore_missing=False)

        self.manager.live_migrate_server(server, block_migration="auto")
        moving = self.until(name, "running")
        self.admin.force_complete_server_migration(moving.id, server)
        self.until(name, "completed")
        self.admin.wait_for_server(self.shown(name), status="ACTIVE")
        host = self.other_host("vm-1")
        self.admin.live_migrate_server(self.servers["vm-1"], host=host, block_migration="auto")
        self.until("vm-1", "completed")
        self.assertEqual(host, self.host("vm-1"))

    def test_refusals(self):
        server = self.servers["vm-1"]
        with self.assertRaises(NotFoundException):
            self.reader.get_server(self.servers["lab-1"])
        for raised, compute, host in (
            (BadRequestException, self.admin, self.host("vm-1")),
            (BadRequestException, self.admin, "nowhere"),
            (ForbiddenException, self.reader, None),
        ):
            with self.assertRaises(raised) as refusal:
                compute.live_migrate_server(server, host=host, block_migration="auto")
            self.assertTrue(refusal.exception.details)
            self.assertTrue(refusal.exception.request_id)

    def test_cold_migrations(self):
        name, server = "vm-2", self.servers["vm-2"]
        source = self.host(name)
        self.admin.migrate_server(server, host=self.other_host(name))
        self.admin.wait_for_server(self.shown(name), status="VERIFY_RESIZE")
        self.admin.revert_server_resize(server)
        self.until(name, "reverted")
        self.assertEqual(source, self.host(name))
        self.admin.migrate_server(server)
        self.admin.wait_for_server(self.shown(name), status="VERIFY_RESIZE")
        self.admin.confirm_server_resize(server)
        self.until(name, "confirmed")
        self.assertNotEqual(source, self.host(name))

    def test_evacuations(self):
        name, server = "vm-3", self.servers["vm-3"]
        grave = self.host(name)
        with self.assertRaises(HttpException):
            self.admin.evacuate_server(server)
        service = next(self.admin.services(host=grave, binary=COMPUTE))
        self.admin.update_service_forced_down(service, forced=True)
        self.admin.evacuate_server(server)
        self.until(name, "done", "completed")
        self.assertNotEqual(grave, self.host(name))
        self.until(name, "completed")
        self.admin.update_service_forced_down(service, forced=False)

    def test_services(self):
        service = next(self.admin.services(host="host-1", binary=COMPUTE))
        self.admin.disable_service(service, disabled_reason="a fan")
        found = next(self.admin.services(host="host-1", binary=COMPUTE))
        self.assertEqual(("disabled", "a fan"), (found.status, found.disabled_reason))
        self.admin.enable_service(found)
        found = next(self.admin.services(host="host-1", binary=COMPUTE))
        self.assertEqual("enabled", found.status)

    def test_locks_states_and_actions(self):
        server = self.servers["vm-4"]
        self.admin.lock_server(server, locked_reason="a backup")
        shown = self.shown("vm-4")
        self.assertEqual((True, "a backup"), (shown.is_locked, shown.locked_reason))
        self.admin.unlock_server(server)
        self.admin.reset_server_state(server, "error")
        self.assertEqual("ERROR", self.shown("vm-4").status)
        self.admin.reset_server_state(server, "active")
        actions = list(self.admin.server_actions(server))
        self.assertEqual(
            ["resetState", "resetState", "unlock", "lock"], [it.action for it in actions]
        )
        shown = self.admin.get_server_action(actions[-1].request_id, server)
        self.assertEqual("lock", shown.action)

    def test_migrations_are_paged(self):
        for name in ("vm-5", "vm-6", "vm-7"):
            self.manager.live_migrate_server(self.servers[name], block_migration="auto")
            self.until(name, "completed")
        everything = [it.uuid for it in self.admin.migrations()]
        self.assertGreaterEqual(len(everything), 3)
        paged = []
        # After the last page the SDK asks for one more, by a number, which Nova does not take.
        with self.assertRaises(BadRequestException):
            for migration in self.admin.migrations(limit=2):
                paged.append(migration.uuid)
        self.assertEqual(everything, paged)
        self.assertEqual([], list(self.admin.migrations(status="error", host="host-1")))


if __name__ == "__main__":
    unittest.main(verbosity=2)

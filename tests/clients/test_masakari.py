"""What Masakari's engine does when it is notified of a dead host or a dead guest.

Its task-flow driver runs its own recovery flows, with its own database of what it moved. Only who
notifies it is missing: its API and monitors, which ask nothing of Nova.
"""

import pathlib
import tempfile
import unittest
import uuid

from fleet import Fleet, auth

CONFIGURATION = """\
[DEFAULT]
log_file = {directory}/masakari.log
transport_url = fake:
os_privileged_user_auth_url = {auth_url}
os_privileged_user_name = {username}
os_privileged_user_password = {password}
os_privileged_user_tenant = {project_name}
os_user_domain_name = {user_domain_name}
os_project_domain_name = {project_domain_name}
os_region_name = RegionOne
# Nova takes a service for down only some time after it was disabled; here somebody says so.
wait_period_after_service_update = 0

[keystone_authtoken]
auth_type = password

[database]
connection = sqlite:///{directory}/masakari.db

[taskflow]
connection = sqlite:///{directory}/taskflow.db

[instance_failure]
process_all_instances = True

[coordination]
backend_url = file://{directory}
"""

done = []


def setUpModule():
    directory = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(directory.cleanup)
    file = pathlib.Path(directory.name) / "masakari.conf"
    file.write_text(CONFIGURATION.format(directory=directory.name, **auth()))

    import masakari.conf
    from masakari import config, objects
    from masakari.db.sqlalchemy import migration

    config.parse_args(["masakari-engine", "--config-file", str(file)])
    masakari.conf.CONF.import_opt("connection", "oslo_db.options", group="database")
    objects.register_all()
    migration.db_sync()


def tearDownModule():
    print(f"masakari: {len(done)} recoveries as wanted")


class Recoveries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from masakari import context
        from masakari.engine.drivers.taskflow.driver import TaskFlowDriver

        cls.fleet = Fleet()
        cls.driver = TaskFlowDriver()
        cls.context = context.get_admin_context()

    def recover(self, host, method, **more):
        """What the engine moved for one notification, by server."""
        from masakari import objects

        notification = str(uuid.uuid4())
        self.driver.execute_host_failure(self.context, host, method, notification, **more)
        moved = objects.VMoveList.get_all_vmoves(self.context, notification)
        done.append((host, method))
        return {it.instance_name: it for it in moved}

    def evacuated(self, moved, names, grave):
        self.assertEqual(names, set(moved))
        for name, move in moved.items():
            self.assertEqual(("succeeded", None), (move.status, move.message))
            server = self.fleet.server(name)
            self.assertEqual(("ACTIVE", False), (server.status, server.is_locked))
            self.assertNotEqual(grave, server.compute_host)
            self.assertEqual(server.compute_host, move.dest_host)

    def test_a_dead_host_to_wherever_servers_fit(self):
        names = self.fleet.on("host-1")
        self.assertTrue(names)
        self.fleet.force_down("host-1")
        moved = self.recover("host-1", "auto")
        self.assertEqual("disabled", self.fleet.service("host-1").status)
        self.evacuated(moved, names, "host-1")
        self.fleet.return_to_work("host-1", names)

    def test_a_dead_host_to_one_that_was_held_in_reserve(self):
        self.fleet.compute.disable_service(self.fleet.service("host-3"))
        names = self.fleet.on("host-2")
        self.assertTrue(names)
        self.fleet.force_down("host-2")
        used = []
        moved = self.recover(
            "host-2",
            "reserved_host",
            reserved_host_list=["host-3"],
            update_host_method=lambda _, host: used.append(host),
        )
        self.assertEqual(["host-3"], used)
        self.assertEqual("enabled", self.fleet.service("host-3").status)
        self.evacuated(moved, names, "host-2")
        self.assertEqual({"host-3"}, {it.dest_host for it in moved.values()})
        self.fleet.return_to_work("host-2", names)

    def test_a_dead_service_is_taken_out(self):
        self.driver.execute_process_failure(
            self.context, "nova-compute", "host-3", str(uuid.uuid4())
        )
        self.assertEqual("disabled", self.fleet.service("host-3").status)
        self.fleet.compute.enable_service(self.fleet.service("host-3"))
        done.append("nova-compute")

    def test_a_dead_guest_is_started_again(self):
        server = self.fleet.ids["vm-3"]
        self.driver.execute_instance_failure(self.context, server, str(uuid.uuid4()))
        actions = self.fleet.compute.server_actions(server)
        self.assertEqual(["start", "stop"], [it.action for it in actions][:2])
        self.assertEqual("ACTIVE", self.fleet.server("vm-3").status)
        done.append("vm-3")


if __name__ == "__main__":
    unittest.main(verbosity=2)

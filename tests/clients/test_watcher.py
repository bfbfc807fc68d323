"""What Watcher's applier does to servers and hosts: the actions of its plans, and its Nova helper.

The actions are loaded as its applier loads them, checked as it checks them, and run. Its decision
engine is not here: what it plans by comes from placement and from metrics, which Godwit is not.
"""

import pathlib
import tempfile
import threading
import unittest

from fleet import HOSTS, Fleet, auth

CONFIGURATION = """\
[DEFAULT]
log_file = {directory}/watcher.log
transport_url = fake:

[watcher_clients_auth]
auth_type = password
auth_url = {auth_url}
username = {username}
password = {password}
project_name = {project_name}
user_domain_name = {user_domain_name}
project_domain_name = {project_domain_name}

[nova]
region_name = RegionOne
valid_interfaces = public
migration_interval = 0.2
"""

done = []


def setUpModule():
    global directory
    directory = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(directory.cleanup)
    file = pathlib.Path(directory.name) / "watcher.conf"
    file.write_text(CONFIGURATION.format(directory=directory.name, **auth()))

    import watcher.notifications  # noqa: F401  (it declares options that the next one reads)
    from watcher.common.service import prepare_service

    prepare_service(["watcher-applier", "--config-file", str(file)])


def tearDownModule():
    print(f"watcher: {len(done)} actions as wanted")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from watcher.common.nova_helper import NovaHelper

        cls.fleet = Fleet()
        cls.helper = NovaHelper()

    def action(self, kind, resource, **parameters):
        """An action of a plan, which its applier would be about to run."""
        from watcher.applier.loading.default import DefaultActionLoader

        action = DefaultActionLoader().load(kind)
        action.input_parameters = {"resource_id": resource, **parameters}
        action.validate_parameters()
        done.append((kind, parameters))
        return action

    def acts(self, kind, resource, **parameters):
        action = self.action(kind, resource, **parameters)
        action.pre_condition()
        self.assertIs(True, action.execute())
        action.post_condition()

    def migration(self, name, kind, destination=None):
        parameters = {"migration_type": kind, "source_node": self.fleet.host(name)}
        if destination:
            parameters["destination_node"] = destination
        return self.fleet.ids[name], {**parameters, "resource_name": name}


class Reading(Case):
    def test_what_its_model_is_made_of(self):
        nodes = self.helper.get_compute_node_list()
        self.assertEqual(HOSTS, {it.hypervisor_hostname for it in nodes})
        for node in nodes:
            found = self.helper.get_compute_node_by_hostname(node.hypervisor_hostname)
            self.assertEqual(node.uuid, found.uuid)
            self.assertEqual(node.uuid, self.helper.get_compute_node_by_uuid(node.uuid).uuid)
        servers = self.helper.get_instance_list()
        self.assertEqual(set(self.fleet.ids.values()), {it.uuid for it in servers})
        there = self.helper.get_instance_list(filters={"host": "host-1"})
        self.assertEqual(self.fleet.on("host-1"), {it.name for it in there})
        paged = self.helper.get_instance_list(limit=2)
        self.assertEqual({it.uuid for it in servers}, {it.uuid for it in paged})
        one = self.helper.find_instance(self.fleet.ids["vm-1"])
        self.assertEqual(("vm-1", "ACTIVE"), (one.name, one.status))
        self.assertEqual(HOSTS, {it.host for it in self.helper.get_service_list()})
        self.assertEqual([], self.helper.get_aggregate_list())
        flavors = {it.flavor_name: it.id for it in self.helper.get_flavor_list()}
        for name in (*flavors, *flavors.values()):
            self.assertIn(self.helper.get_flavor_id(name), flavors.values())


class Actions(Case):
    def test_live_migrations(self):
        for destination in (self.fleet.other_host("vm-1"), None):
            source = self.fleet.host("vm-1")
            server, parameters = self.migration("vm-1", "live", destination)
            self.acts("migrate", server, **parameters)
            self.assertIn(destination, (self.fleet.host("vm-1"), None))
            self.assertNotEqual(source, self.fleet.host("vm-1"))

    def test_one_is_aborted(self):
        source, destination = self.fleet.host("vm-busy"), self.fleet.other_host("vm-busy")
        server, parameters = self.migration("vm-busy", "live", destination)
        action = self.action("migrate", server, **parameters)
        outcome = []
        running = threading.Thread(target=lambda: outcome.append(action.execute()))
        running.start()
        self.fleet.until("vm-busy", "running")
        self.assertIs(True, action.abort())
        running.join()
        self.assertEqual([False], outcome)
        self.assertEqual(source, self.fleet.host("vm-busy"))
        self.fleet.until("vm-busy", "cancelled")

    def test_cold_migrations(self):
        destination = self.fleet.other_host("vm-2")
        server, parameters = self.migration("vm-2", "cold", destination)
        self.acts("migrate", server, **parameters)
        self.assertEqual(destination, self.fleet.host("vm-2"))
        self.fleet.until("vm-2", "confirmed")

    def test_a_plan_that_is_reverted_moves_the_server_back(self):
        source, destination = self.fleet.host("vm-3"), self.fleet.other_host("vm-3")
        server, parameters = self.migration("vm-3", "live", destination)
        action = self.action("migrate", server, **parameters)
        self.assertIs(True, action.execute())
        self.assertIs(True, action.revert())
        self.assertEqual(source, self.fleet.host("vm-3"))

    def test_a_plan_that_is_out_of_date_is_refused(self):
        from watcher.common.exception import ActionExecutionFailure, ActionSkipped

        server, parameters = self.migration("vm-4", "live", "nowhere")
        with self.assertRaises(ActionExecutionFailure):
            self.action("migrate", server, **parameters).pre_condition()
        parameters["source_node"] = self.fleet.other_host("vm-4")
        with self.assertRaises(ActionSkipped):
            self.action("migrate", server, **parameters).pre_condition()

    def test_hosts_are_taken_out_and_put_back(self):
        service = self.fleet.service("host-3").id
        change = ("change_nova_service_state", service)
        self.acts(*change, resource_name="host-3", state="disabled", disabled_reason="watcher_fan")
        shown = self.fleet.service("host-3")
        self.assertEqual(("disabled", "watcher_fan"), (shown.status, shown.disabled_reason))
        self.acts(*change, resource_name="host-3", state="enabled")
        self.assertEqual("enabled", self.fleet.service("host-3").status)

    def test_servers_are_stopped_and_started_again(self):
        action = self.action("stop", self.fleet.ids["vm-5"])
        action.pre_condition()
        self.assertIs(True, action.execute())
        self.assertEqual("SHUTOFF", self.fleet.server("vm-5").status)
        self.assertIs(True, action.revert())
        self.assertEqual("ACTIVE", self.fleet.server("vm-5").status)


if __name__ == "__main__":
    unittest.main(verbosity=2)

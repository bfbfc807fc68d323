"""Rally's scenarios for Nova, as its runner runs each: with a user's clients and an administrator's.

Godwit creates no servers. Where a scenario boots one and deletes it in the end, the two methods
that do so lend one that exists instead, and take it back; nothing else of Rally is changed.
"""

import unittest

from rally.common import cfg, opts
from rally.common.plugin.discover import import_modules_from_package
from rally.task.scenario import Scenario
from rally_openstack.common import osclients
from rally_openstack.common.credential import OpenStackCredential
from rally_openstack.task.scenarios.nova.utils import NovaScenario

from fleet import Fleet, auth

done = []


def setUpModule():
    opts.register()
    opts.register_options_from_path("rally_openstack.common.cfg.opts:list_opts")
    # The other plugins are for services that are not here, and need their clients.
    import_modules_from_package("rally_openstack.task.scenarios.nova")
    cfg.CONF([], project="rally")
    for name in ("live_migrate", "migrate", "resize_confirm", "resize_revert"):
        cfg.CONF.set_override(f"nova_server_{name}_poll_interval", 0.2, "openstack")


def tearDownModule():
    print(f"rally: {len(done)} scenarios passed")


def clients(cloud):
    login = auth(cloud)
    return osclients.Clients(
        OpenStackCredential(
            **{name: value for name, value in login.items() if name != "project_name"},
            tenant_name=login["project_name"],
            region_name="RegionOne",
            endpoint_type="public",
        )
    )


class Scenarios(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet()
        cls.clients = {"clients": clients("member"), "admin_clients": clients("admin")}

    def runs(self, name, *arguments, lent=None, **more):
        """Runs the scenario, which fails where Rally sees it fail."""
        # What it makes is named after the task.
        task = {"task": {"uuid": "8e0a3c5e-5d4c-4b1a-9d7e-6f0f3c1b2a90"}}
        scenario = Scenario.get(name)(task, **self.clients)
        if lent:
            server = scenario.clients("nova").servers.get(self.fleet.ids[lent])
            scenario._boot_server = lambda *_, **__: server
            scenario._delete_server = lambda *_, **__: None
            arguments = ("no image", server.flavor["id"], *arguments)
        scenario.run(*arguments, **more)
        done.append(name)

    def test_everything_is_listed(self):
        for name in (
            "NovaServers.list_servers",
            "NovaServices.list_services",
            "NovaHypervisors.list_hypervisors",
            "NovaHypervisors.list_and_get_hypervisors",
            "NovaHypervisors.list_and_search_hypervisors",
            "NovaHypervisors.list_and_get_uptime_hypervisors",
            "NovaHypervisors.statistics_hypervisors",
            "NovaAggregates.list_aggregates",
            "NovaFlavors.list_flavors",
        ):
            with self.subTest(name):
                self.runs(name)

    def test_a_server_is_shown_and_locked(self):
        self.runs("NovaServers.boot_and_show_server", lent="vm-1")
        self.runs("NovaServers.boot_lock_unlock_and_delete", lent="vm-1")
        self.assertFalse(self.fleet.server("vm-1").is_locked)

    def test_a_server_is_stopped_started_and_restarted(self):
        bounces = [{"stop_start": 1}, {"soft_reboot": 1}, {"hard_reboot": 1}]
        self.runs("NovaServers.boot_and_bounce_server", lent="vm-4", actions=bounces)
        self.assertEqual("ACTIVE", self.fleet.server("vm-4").status)

    def test_aggregates_and_zones(self):
        self.runs("NovaAvailabilityZones.list_availability_zones")
        for name in (
            "create_and_list_aggregates",
            "create_and_get_aggregate_details",
            "create_and_update_aggregate",
            "create_aggregate_add_and_remove_host",
            "create_and_delete_aggregate",
        ):
            with self.subTest(name):
                # A host whose servers are in one zone is not let into another.
                zone = None if "add_and_remove_host" in name else "rally"
                self.runs(f"NovaAggregates.{name}", zone)

    def test_server_groups(self):
        for name in (
            "create_and_list_server_groups",
            "create_and_get_server_group",
            "create_and_delete_server_group",
        ):
            with self.subTest(name):
                self.runs(f"NovaServerGroups.{name}", policies=["anti-affinity"])

    def test_live_migrations(self):
        source = self.fleet.host("vm-2")
        self.runs("NovaServers.boot_and_live_migrate_server", lent="vm-2")
        self.assertNotEqual(source, self.fleet.host("vm-2"))
        self.fleet.until("vm-2", "completed")

    def test_cold_migrations(self):
        source = self.fleet.host("vm-3")
        self.runs("NovaServers.boot_and_migrate_server", lent="vm-3", confirm=False)
        self.fleet.until("vm-3", "reverted")
        self.assertEqual(source, self.fleet.host("vm-3"))
        self.runs("NovaServers.boot_and_migrate_server", lent="vm-3")
        self.fleet.until("vm-3", "confirmed")
        self.assertNotEqual(source, self.fleet.host("vm-3"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""What became of the servers that an operator's program moves, asked by openstacksdk."""

import openstack

from forks import wait_for

COMPUTE = "nova-compute"
HOSTS = {"host-1", "host-2", "host-3"}


def auth(cloud="admin"):
    """How a user logs in: `auth_url`, `username`, `password`, `project_name` and the domains."""
    return openstack.config.get_cloud_region(cloud=cloud).config["auth"]


class Fleet:
    """Servers and hosts as their administrator sees them."""

    def __init__(self):
        self.compute = openstack.connect(cloud="admin").compute
        self.ids = {it.name: it.id for it in self.compute.servers(all_projects=True)}

    def server(self, name):
        return self.compute.get_server(self.ids[name])

    def host(self, name):
        return self.server(name).compute_host

    def other_host(self, name):
        return min(HOSTS - {self.host(name)})

    def on(self, host):
        """The names of the servers there."""
        servers = self.compute.servers(all_projects=True, compute_host=host)
        return {it.name for it in servers}

    def migrations(self, name):
        """The newest first."""
        return list(self.compute.migrations(instance_uuid=self.ids[name]))

    def until(self, name, *statuses):
        """Waits until the server's newest migration has one of these statuses."""
        return wait_for(
            f"{name} to be {statuses[0]}",
            lambda: next(iter(self.migrations(name)), None),
            lambda migration: migration and migration.status in statuses,
        )

    def service(self, host):
        (service,) = self.compute.services(host=host, binary=COMPUTE)
        return service

    def force_down(self, host, forced=True):
        """Declares it dead, as whoever took its power does, or alive again."""
        service = self.service(host)
        self.compute.update_service_forced_down(service, host, COMPUTE, forced)

    def return_to_work(self, host, names):
        """A host that was evacuated of these comes back once it has cleaned up after them."""
        for name in names:
            self.until(name, "completed")
        self.force_down(host, False)
        self.compute.enable_service(self.service(host))

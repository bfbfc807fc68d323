"""Runs what Tempest has for the parts of Nova that Godwit is.

Godwit creates no servers. Tempest's tests of migrations each create one, by one method of their
base class; here that method lends one that exists instead, and nothing else of Tempest is
changed. `tempest.yaml` says which tests run, and of all others why they cannot. Every test that
Tempest has for compute must be in it, none may be in it that Tempest does not have, and whatever
is said to run must run and pass: skipped is failed.

    OS_CLIENT_CONFIG_FILE=clouds.yaml python run_tempest.py [TEST...]
"""

import argparse
import configparser
import os
import pathlib
import pkgutil
import sys
import tempfile
import unittest

import openstack
import yaml

HERE = pathlib.Path(__file__).parent
PACKAGE = "tempest.api.compute"

# Who Tempest may be, and in which roles.
ROLES = {
    "admin": ["admin"],
    "manager": ["manager"],
    "member": ["member"],
    "reader": ["reader"],
    "stranger": ["alt_member"],
}

# Servers whose disks are on their hosts: Tempest asks for block migrations.
LENT = "local-"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="*", help="only those that begin so")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        configure(pathlib.Path(directory))
        passed = run(options.tests)
    sys.exit(not passed)


def run(only):
    """Did everything happen that `tempest.yaml` promises?"""
    tests = {test.id(): test for test in flat(found())}
    plan = Plan(yaml.safe_load((HERE / "tempest.yaml").read_text()))
    complaints = plan.complaints(tests)
    lend_servers()
    chosen = [
        test
        for name, test in sorted(tests.items())
        if plan.runs(name) and (not only or name.startswith(tuple(only)))
    ]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(chosen))
    complaints += [f"{test.id()} was skipped: {why}" for test, why in result.skipped]
    for complaint in complaints:
        print(complaint)
    classes = {test.id().rpartition(".")[0] for test in chosen}
    print(f"tempest: {len(chosen)} tests of {len(classes)} classes ran, of {len(tests)} there are")
    return result.wasSuccessful() and not complaints


class Plan:
    """What runs and what cannot. The longest entry that a test's name begins with counts."""

    def __init__(self, said):
        self.entries = {f"{PACKAGE}.{it}": None for it in said["runs"]}
        for group in said["cannot"]:
            for it in group["tests"]:
                self.entries[f"{PACKAGE}.{it}"] = group["because"]

    def entry(self, name):
        parts = name.split("[")[0].split(".")
        for end in range(len(parts), 0, -1):
            entry = ".".join(parts[:end])
            if entry in self.entries:
                return entry
        return None

    def runs(self, name):
        entry = self.entry(name)
        return entry is not None and self.entries[entry] is None

    def complaints(self, tests):
        used = {self.entry(name) for name in tests}
        return [
            *(f"tempest.yaml does not say what is with {it}" for it in tests if not self.entry(it)),
            *(f"tempest.yaml has {it}, Tempest has not" for it in self.entries.keys() - used),
        ]


def found():
    """All tests of Tempest's for compute."""
    package = __import__(PACKAGE, fromlist=["*"])
    modules = pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")
    names = [it.name for it in modules if ".test_" in it.name]
    return unittest.TestLoader().loadTestsFromNames(names)


def flat(suite):
    for it in suite:
        yield from flat(it) if isinstance(it, unittest.TestSuite) else (it,)


def lend_servers():
    from tempest.api.compute.base import BaseV2ComputeTest

    admin = openstack.connect(cloud="admin").compute
    servers = [it for it in admin.servers(all_projects=True) if it.name.startswith(LENT)]
    lent = []

    def create_test_server(cls, *_, **wishes):
        """An existing server, in turn, instead of a new one."""
        server = servers[len(lent) % len(servers)]
        lent.append(server.id)
        status = wishes.get("wait_until") or "ACTIVE"
        shown = cls.servers_client.show_server(server.id)["server"]
        assert shown["status"] == status, f"{shown['status']}, not {status}"
        return shown

    BaseV2ComputeTest.create_test_server = classmethod(create_test_server)


def configure(directory):
    """What a Tempest needs to know of a cloud; read when its modules are."""
    region = openstack.connect(cloud="admin").config
    accounts = []
    for cloud, roles in ROLES.items():
        auth = openstack.config.get_cloud_region(cloud=cloud).config["auth"]
        kept = ("username", "password", "project_name")
        account = {name: auth[name] for name in kept}
        accounts.append({**account, "domain_name": "Default", "roles": roles})
    (directory / "accounts.yaml").write_text(yaml.safe_dump(accounts))
    flavor = next(iter(openstack.connect(cloud="admin").compute.flavors())).id

    configuration = configparser.ConfigParser(interpolation=None)
    configuration.read_dict(
        {
            "DEFAULT": {"log_file": directory / "tempest.log"},
            "oslo_concurrency": {"lock_path": directory / "locks"},
            "auth": {
                "use_dynamic_credentials": False,
                "test_accounts_file": directory / "accounts.yaml",
            },
            "identity": {"uri_v3": region.config["auth"]["auth_url"], "auth_version": "v3"},
            "enforce_scope": {"nova": True},
            "service_available": {
                "nova": True, "cinder": False, "glance": True, "neutron": True, "swift": False,
            },
            "compute": {
                "min_microversion": "2.1",
                "max_microversion": "latest",
                "flavor_ref": flavor,
                "flavor_ref_alt": flavor,
                "min_compute_nodes": 3,
                "build_interval": 1,
                "build_timeout": 60,
            },
            "compute-feature-enabled": {
                "nova_policy_roles": "admin,manager,member,reader",
                "block_migration_for_live_migration": True,
                "pause": False,
                "suspend": False,
                "resize": False,
                "shelve": False,
            },
        }
    )
    with (directory / "tempest.conf").open("w") as file:
        configuration.write(file)
    os.environ["TEMPEST_CONFIG_DIR"] = str(directory)
    os.environ["TEMPEST_CONFIG"] = "tempest.conf"


if __name__ == "__main__":
    main()

"""Commands of the unmodified `openstack` and `nova`, each in a process of its own.

The clouds are those of `OS_CLIENT_CONFIG_FILE`, where each user is a cloud of the same name.
"""

import json

import keystoneauth1.loading  # noqa: F401  (what commands would read only when they run)
import novaclient.shell
import novaclient.v2.shell  # noqa: F401
import openstack
import openstack.compute.v2._proxy  # noqa: F401
import openstackclient.compute.v2.server  # noqa: F401
import openstackclient.compute.v2.server_migration  # noqa: F401
import openstackclient.shell

import forks
from forks import Failed, wait_for  # noqa: F401  (for those who use these commands)

# Each command that succeeded, for whoever wants to know what was tried.
passed = []


def openstack_command(*arguments, cloud="admin", version=None):
    """What `openstack ARGUMENTS` prints."""
    pinned = ["--os-compute-api-version", version] if version else []
    arguments = ["--os-cloud", cloud, *pinned, *arguments]
    return run(openstackclient.shell.main, "openstack", arguments, {})


def openstack_value(*arguments, **how):
    """The same as a value."""
    return json.loads(openstack_command(*arguments, "--format", "json", **how))


def nova_command(version, *arguments, cloud="admin"):
    """What `nova ARGUMENTS` prints."""
    auth = openstack.config.get_cloud_region(cloud=cloud).config["auth"]
    environment = {f"OS_{name.upper()}": value for name, value in auth.items()}
    arguments = ["--os-compute-api-version", version, *arguments]
    return run(novaclient.shell.main, "nova", arguments, environment)


def run(main, program, arguments, environment):
    said = forks.run(main, program, arguments, environment)
    passed.append(" ".join([program, *arguments]))
    return said

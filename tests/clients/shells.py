"""Commands of the unmodified `openstack` and `nova`, each in a process of its own.

Most of what such a command costs is Python reading its libraries. So this process reads them
once, and each command runs in a fork of it, with its own arguments, environment, output and
exit code: what a person would have typed is what runs.

The clouds are those of `OS_CLIENT_CONFIG_FILE`, where each user is a cloud of the same name.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
import time
import traceback

import keystoneauth1.loading  # noqa: F401  (what commands would read only when they run)
import novaclient.shell
import novaclient.v2.shell  # noqa: F401
import openstack
import openstack.compute.v2._proxy  # noqa: F401
import openstackclient.compute.v2.server  # noqa: F401
import openstackclient.compute.v2.server_migration  # noqa: F401
import openstackclient.shell

# No command takes longer, `--wait` included.
PATIENCE = 120

# Each command that succeeded, for whoever wants to know what was tried.
passed = []


class Failed(Exception):
    """A command did not succeed, with what it said."""


def openstack_command(*arguments, cloud="admin", version=None):
    """What `openstack ARGUMENTS` prints."""
    pinned = ["--os-compute-api-version", version] if version else []
    return run("openstack", ["--os-cloud", cloud, *pinned, *arguments], {})


def openstack_value(*arguments, **how):
    """The same as a value."""
    return json.loads(openstack_command(*arguments, "--format", "json", **how))


def nova_command(version, *arguments, cloud="admin"):
    """What `nova ARGUMENTS` prints."""
    auth = openstack.config.get_cloud_region(cloud=cloud).config["auth"]
    environment = {f"OS_{name.upper()}": value for name, value in auth.items()}
    arguments = ["--os-compute-api-version", version, *arguments]
    return run("nova", arguments, environment)


def run(program, arguments, environment):
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if child == 0:
            become(program, arguments, environment, stdout, stderr)
        code = reap(child)
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read().decode())
    shown = " ".join([program, *arguments])
    if code != 0:
        raise Failed(f"{shown}\nended with {code}\n{said[0]}{said[1]}")
    passed.append(shown)
    return said[0]


def become(program, arguments, environment, stdout, stderr):
    """The command, in the fork: never returns."""
    code = 70
    try:
        # Nobody waits for a command whose test is gone (PR_SET_PDEATHSIG).
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stdout.fileno(), 1)
        os.dup2(stderr.fileno(), 2)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")
        os.environ.update(environment)
        sys.argv = [program, *arguments]  # it is called by this name
        main = {"openstack": openstackclient.shell.main, "nova": novaclient.shell.main}
        code = main[program](arguments)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def reap(child):
    """Its exit code, or that of being killed for taking too long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_for(what, look, satisfies):
    """What `look` sees as soon as that `satisfies`."""
    end = time.monotonic() + PATIENCE
    seen = look()
    while not satisfies(seen):
        if time.monotonic() > end:
            raise AssertionError(f"no {what} within {PATIENCE} s; last seen: {seen}")
        time.sleep(0.1)
        seen = look()
    return seen

"""Programs written in Python, each run in a process of its own.

Most of what such a command costs is Python reading its libraries. So the process that imports
this reads them once, and each command runs in a fork of it, with its own arguments, environment,
output and exit code: what a person would have typed is what runs.
"""

import ctypes
import os
import signal
import sys
import tempfile
import time
import traceback

# No command takes longer, the waiting of its own included.
PATIENCE = 120


class Failed(Exception):
    """A command did not succeed, with what it said."""


def run(main, program, arguments, environment):
    """What the program, whose `main` takes its arguments, prints when it succeeds."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if child == 0:
            become(main, program, arguments, environment, stdout, stderr)
        code = reap(child)
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read().decode())
    if code != 0:
        shown = " ".join([program, *arguments])
        raise Failed(f"{shown}\nended with {code}\n{said[0]}{said[1]}")
    return said[0]


def become(main, program, arguments, environment, stdout, stderr):
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
        code = main(arguments)
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

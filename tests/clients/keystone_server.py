"""A real Keystone for tests: its own database, keys and port, all in one directory.

Sets up what an empty directory lacks, with Keystone's own `keystone-manage`, and then serves
until it is ended. A directory that was set up before is served as it is, so that a test can take
Keystone down and bring it back. When it serves, its URL stands in the file `url`:

    python keystone_server.py DIRECTORY [--port 0] [--provider fernet|jws] [--lifetime 3600]

The administrator is `admin`, and so is the password. JWS tokens are verified with
`jws/public/public.pem`.
"""

import argparse
import configparser
import os
import pathlib
import socket
import subprocess
import sys

BIN = pathlib.Path(sys.executable).parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--provider", choices=("fernet", "jws"), default="fernet")
    parser.add_argument("--lifetime", type=int, default=3600, help="of tokens, in seconds")
    options = parser.parse_args()

    directory = options.directory.resolve()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(128)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v3"
    if not (directory / "keystone.conf").exists():
        set_up(directory, url, options)
    serve(directory, url, listener)


def set_up(directory, url, options):
    """Everything that an operator does once."""
    for folder in ("fernet", "credential", "jws/public", "jws/private"):
        (directory / folder).mkdir(mode=0o700, parents=True)
    configuration = directory / "new.conf"
    write_configuration(directory, configuration, options)

    environment = {
        **os.environ,
        "PYTHONWARNINGS": "ignore",
        "OS_BOOTSTRAP_PASSWORD": "admin",
        "OS_BOOTSTRAP_PUBLIC_URL": url,
        "OS_BOOTSTRAP_INTERNAL_URL": url,
        "OS_BOOTSTRAP_ADMIN_URL": url,
        "OS_BOOTSTRAP_REGION_ID": "RegionOne",
    }

    def manage(command, *arguments):
        command = [BIN / "keystone-manage", "--config-file", configuration, command, *arguments]
        # One of them writes into the current directory.
        folder = directory / "jws"
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=sys.stderr)

    def finish(*processes):
        for process in processes:
            if process.wait():
                sys.exit(f"{process.args[3]} failed with {process.returncode}")

    me = ("--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
    keys = ["fernet_setup", "credential_setup"]
    if options.provider == "jws":
        keys.append("create_jws_keypair")
    finish(manage("db_sync"), *(manage(command, *me) for command in keys))
    if options.provider == "jws":
        for half in ("public", "private"):
            os.rename(directory / f"jws/{half}.pem", directory / f"jws/{half}/{half}.pem")
    finish(manage("bootstrap"))
    configuration.rename(directory / "keystone.conf")


def write_configuration(directory, path, options):
    configuration = configparser.ConfigParser(interpolation=None)
    configuration.read_dict(
        {
            "DEFAULT": {"log_file": directory / "keystone.log"},
            "database": {"connection": f"sqlite:///{directory}/keystone.db"},
            # Validating a token costs a second without one, on a busy machine. Revocations are
            # heeded at once: this is the only process.
            "cache": {"enabled": True, "backend": "dogpile.cache.memory"},
            "token": {"provider": options.provider, "expiration": options.lifetime},
            "fernet_tokens": {"key_repository": directory / "fernet"},
            "jwt_tokens": {
                "jws_public_key_repository": directory / "jws/public",
                "jws_private_key_repository": directory / "jws/private",
            },
            "credential": {"key_repository": directory / "credential"},
            # Logging in often would cost tests minutes otherwise.
            "identity": {"password_hash_rounds": 4},
        }
    )
    with path.open("w") as file:
        configuration.write(file)


def serve(directory, url, listener):
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = str(directory)
    # Importing the application reads the command line.
    sys.argv = ["keystone"]
    import waitress
    from keystone.wsgi.api import application

    new = directory / "url.new"
    new.write_text(url)
    new.rename(directory / "url")
    waitress.serve(application, sockets=[listener], threads=4)


if __name__ == "__main__":
    main()

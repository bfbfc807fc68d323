"""Listens to versioned notifications as Masakari, Watcher and Ceilometer do: with oslo.messaging.

Each notification becomes a line of JSON in a file, written before it is acknowledged.

    notification_listener.py URL FILE [--exchange nova] [--topic versioned_notifications]
"""

import argparse
import json
import logging
import os
import signal
import threading

import oslo_messaging
from oslo_config import cfg


class Endpoint:
    def __init__(self, file):
        self.file = file

    def write(self, priority, ctxt, publisher_id, event_type, payload, metadata):
        line = {
            "priority": priority,
            "context": ctxt,
            "publisher_id": publisher_id,
            "event_type": event_type,
            "payload": payload,
            "metadata": metadata,
        }
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def info(self, *message):
        self.write("info", *message)

    def error(self, *message):
        self.write("error", *message)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("file")
    parser.add_argument("--exchange", default="nova")
    parser.add_argument("--topic", default="versioned_notifications")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)

    conf = cfg.ConfigOpts()
    conf([])
    transport = oslo_messaging.get_notification_transport(conf, url=arguments.url)
    for option, value in {
        "rabbit_retry_interval": 1,
        "rabbit_retry_backoff": 0,
        "rabbit_interval_max": 1,
        "amqp_durable_queues": True,
    }.items():
        conf.set_override(option, value, group="oslo_messaging_rabbit")
    target = oslo_messaging.Target(topic=arguments.topic, exchange=arguments.exchange)
    with open(arguments.file, "a", encoding="utf-8") as file:
        listener = oslo_messaging.get_notification_listener(
            transport, [target], [Endpoint(file)], executor="threading"
        )
        # One after the other: several would write in whatever order they get to.
        listener.start(override_pool_size=1)
        done = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: done.set())
        done.wait()
        listener.stop()
        listener.wait()


if __name__ == "__main__":
    main()

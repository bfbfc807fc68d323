"""Has the Standard Webhooks library for Python, unmodified, say which calls it takes for good.

Calls are a list in a JSON file: `[{"secret": …, "headers": {…}, "body": …}, …]`. Prints a list of
the same length: "good", or why it is refused.

    verify_webhooks.py FILE
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def verdict(call):
    try:
        read = Webhook(call["secret"]).verify(call["body"], call["headers"])
    except WebhookVerificationError as error:
        return str(error)
    assert read == json.loads(call["body"])
    return "good"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        calls = json.load(file)
    print(json.dumps([verdict(call) for call in calls]))


if __name__ == "__main__":
    main()

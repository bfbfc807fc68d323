// Has the Standard Webhooks library for Node.js, unmodified, say which calls it takes for good.
//
// Calls are a list in a JSON file: `[{"secret": …, "headers": {…}, "body": …}, …]`. Prints a list of
// the same length: "good", or why it is refused. NODE_PATH leads to the library.
//
//     node verify_webhooks.cjs FILE

const assert = require("node:assert");
const { readFileSync } = require("node:fs");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

function verdict({ secret, headers, body }) {
  let read;
  try {
    read = new Webhook(secret).verify(body, headers);
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    return error.message;
  }
  assert.deepStrictEqual(read, JSON.parse(body));
  return "good";
}

const calls = JSON.parse(readFileSync(process.argv[2], "utf-8"));
console.log(JSON.stringify(calls.map(verdict)));

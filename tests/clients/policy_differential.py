"""Compares Godwit's policy language with the real oslo.policy.

Operators bring policy files from Nova; every one must decide here as it decided there. So this
generates policies, credentials and targets, sensible and odd ones, asks both implementations and
fails if a single answer differs. Needs `oslo.policy` (see requirements.txt) and the built
evaluator:

    cargo build -p godwit-policy --example evaluate
    python policy_differential.py --evaluator target/debug/examples/evaluate

An answer is one of: allowed, denied, wrong scope, or a fault (oslo.policy raised, which Godwit
turns into a denial), together with the questions that remote services were asked on the way.
How often the same question was asked does not count: oslo.policy goes round in circles until
Python's stack is used up.
"""

import argparse
import collections
import json
import logging
import pathlib
import random
import subprocess
import sys
import tempfile
import types
import warnings

import yaml
from oslo_config import cfg
from oslo_policy import _external, opts, policy
from policy_cases import Generator
from requests.exceptions import Timeout

CASES_PER_POLICY = 10
# No answer may be so rare that agreeing on it means nothing.
LEAST_SHARE = {"allowed": 0.1, "denied": 0.1, "fault": 0.03, "scope": 0.005}


@policy.register("is_admin")
class IsAdminCheck(policy.Check):
    """Nova's own kind of check."""

    def __init__(self, kind, match):
        self.wanted = match.lower() == "true"
        super().__init__(kind, str(self.wanted))

    def __call__(self, target, creds, enforcer):
        return creds["is_admin"] == self.wanted


class Remote:
    """Stands in for the services that remote checks ask, and remembers what they were asked."""

    def __init__(self):
        self.asked = []

    def post(self, url, data=None, **_):
        question = {name: json.loads(value) for name, value in data.items()}
        self.asked.append({"url": url, **question})
        _, marker, answer = url.partition("?answer=")
        if not marker or answer == "nothing":
            raise Timeout()
        return types.SimpleNamespace(text=answer, close=lambda: None)


class Reference:
    """One policy, in oslo.policy's hands."""

    def __init__(self, folder, given, registry, remote):
        self.remote = remote
        path = pathlib.Path(folder, "policy.yaml")
        path.write_text(yaml.safe_dump(given["file"], width=1 << 20))
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        opts._register(conf)
        conf.set_override("policy_dirs", [], "oslo_policy")
        conf.set_override("policy_default_rule", given["default_rule"], "oslo_policy")
        conf.set_override("enforce_new_defaults", given["enforce_new_defaults"], "oslo_policy")
        self.enforcer = policy.Enforcer(conf, policy_file=str(path))
        defaults = registry if given["defaults"] == "nova" else given["defaults"]
        self.enforcer.register_defaults([self.rule_default(each) for each in defaults])

    @staticmethod
    def rule_default(given):
        replaces = given["replaces"]
        deprecated = replaces and policy.DeprecatedRule(
            replaces["name"], replaces["check"], deprecated_reason="r", deprecated_since="s"
        )
        return policy.RuleDefault(
            given["name"],
            given["check"],
            deprecated_rule=deprecated,
            scope_types=given["scope_types"] or None,
        )

    def answer(self, case):
        creds = json.loads(json.dumps(case["credentials"]))
        if case["decide_admin"]:
            creds["is_admin"] = self.is_admin(creds)
        self.remote.asked = []
        return {
            "outcome": self.outcome(case["rule"], case["target"], creds),
            "asked": self.remote.asked,
        }

    def outcome(self, rule, target, creds):
        try:
            allowed = self.enforcer.enforce(rule, target, creds, do_raise=True)
        except policy.PolicyNotAuthorized:
            return "denied"
        except policy.InvalidScope:
            return "scope"
        except Exception:  # Whatever it is: oslo.policy lets it through to the caller.
            return "fault"
        return "allowed" if allowed else "denied"

    def is_admin(self, creds):
        """As Nova does when a request comes in: asked before the answer can be known."""
        asked = {**creds, "is_admin": None}
        own = {"project_id": creds.get("project_id"), "user_id": creds.get("user_id")}
        return self.outcome("context_is_admin", own, asked) == "allowed"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluator", required=True, help="the evaluator's executable")
    parser.add_argument("--triples", type=int, default=24_000, help="how many to compare")
    parser.add_argument("--seed", type=int, default=1, help="of the generator")
    options = parser.parse_args()

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    remote = Remote()
    _external.requests = types.SimpleNamespace(post=remote.post)
    registry = json.loads(subprocess.check_output([options.evaluator, "--registry"]))

    generator = Generator(random.Random(options.seed), registry)
    count = -(-options.triples // CASES_PER_POLICY)
    policies = [generator.policy(CASES_PER_POLICY) for _ in range(count)]
    lines = "".join(json.dumps(each) + "\n" for each in policies)
    output = subprocess.run(
        [options.evaluator], input=lines, capture_output=True, text=True, encoding="utf-8"
    )
    if output.returncode:
        sys.exit(f"the evaluator failed: {output.stderr}")

    outcomes = collections.Counter()
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for given, answers in zip(policies, output.stdout.splitlines(), strict=True):
            reference = Reference(folder, given, registry, remote)
            for case, ours in zip(given["cases"], json.loads(answers), strict=True):
                theirs = reference.answer(case)
                outcomes[theirs["outcome"]] += 1
                if not same(ours, theirs):
                    different += 1
                    report(given, case, ours, theirs)

    total = sum(outcomes.values())
    shares = ", ".join(f"{name} {outcomes[name]}" for name in LEAST_SHARE)
    print(f"{total} policy triples compared ({shares}), {different} differ")
    thin = [name for name, share in LEAST_SHARE.items() if outcomes[name] < share * total]
    if thin:
        print(f"too few to mean anything: {', '.join(thin)}")
    sys.exit(bool(different or thin))


def same(ours, theirs):
    def distinct(asked):
        return list(dict.fromkeys(json.dumps(question, sort_keys=True) for question in asked))

    return ours["outcome"] == theirs["outcome"] and distinct(ours["asked"]) == distinct(
        theirs["asked"]
    )


def report(given, case, ours, theirs):
    shown = {name: value for name, value in given.items() if name != "cases"}
    print(f"oslo.policy: {theirs}\nGodwit:      {ours}\n  case:   {case}\n  policy: {shown}\n")


if __name__ == "__main__":
    main()

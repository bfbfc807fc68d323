"""Generates policies and questions about them, from the everyday to the absurd."""

import json

NAMES = ["r0", "r1", "r2", "r3", "default", "context_is_admin", "admin_api", "old:r1", "a:b"]
VALUES = [
    "p1",
    "p2",
    "u1",
    "admin",
    "True",
    "None",
    "",
    "it's",
    'say "x"',
    "é€😀",
    "a\tb\x00\x7f",
    "ÀB",
    "1",
    "x y",
]
ODD_VALUES = [
    None,
    True,
    False,
    0,
    1,
    -7,
    42,
    3.5,
    -0.25,
    1e16,
    1e-7,
    [],
    ["p1", 1],
    {},
    {"a": "b'"},
    [["x"]],
]
ROLES = [
    "admin",
    "Admin",
    "member",
    "reader",
    "manager",
    "service",
    "ROLE:x",
    "STRASSE",
    "ΑΣ",
    "x y",
]
KEYS = ["project_id", "user_id", "a", "n", "user.id", "b(c)", "é", "gone"]
KINDS = r"""
    project_id user_id domain_id system_scope system is_admin_project roles service_roles a
    n user.id user.groups.id groups.name user nested nested.x nested.deep.er foo-bar
    foo-bar.x roles.x user_id.x a.b.c gone gone.x é
""".split()
LITERALS = r"""
    'admin' "p1" True False None 1 -1 +1 --1 42 1.0 3.5 1e16 0x1F 0o17 0b11 1_000 01 00 0_7
    1__0 07.5 .5 5. 1e 1e5 -0 -0.0 1.real 1..real 'a'b 'a''b' 'a'b'c' b'x' b'\xff' rb'\x'
    u'x' f'x' '''x''' '' '\x41' '\u20ac' '\101' '\q' '\x4' r'\' () (1) (1,) 1,2 [1,'a']
    [[]] [a] {} set() set(1) ... -True ~1 not(a) (a)or(b) 1if(1)else(2) -'x' 1+2 0.1 1e-7
    123456789012345678901234567890 1e999 -1e999
""".split()
BROKEN_KINDS = (
    r"""
    class a.class 1abc a. .a a..b 'x x' !a € a=1 [1 a[] a[0] f(x) # a#b 1#b a\ $a a? a,,b
    None.x is a@b a->b a<>b a<=b a!=b a**b
""".split()
    + [""]
)
CONVERSIONS = (
    r"""
    s s s r a c d i x #X o f .1f e g G 5s -5s .2s 05d +d 5 % z *s .*s ls hd 08.3f #g .3g
    #.0e 5c #o .4d 5.2r
""".split()
    + [" d", ""]
)
ANSWERS = ["True", '"True"', "False", "true", "", "nothing", "%(a)s", "%(gone)s"]
ALPHABET = "ab1'\".-_()[]%:@!#,*+/<\\ é0rx"


class Generator:
    """Draws everything from one source of randomness, so that a seed names a run."""

    def __init__(self, random, registry):
        self.random = random
        self.registry = registry
        self.registered = [rule["name"] for rule in registry]
        self.replaced = sorted({rule["replaces"]["name"] for rule in registry if rule["replaces"]})

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *choices):
        return self.random.choice(choices)

    def policy(self, cases):
        """A policy, and questions about it."""
        if self.chance(0.25):
            return self.nova_policy(cases)
        names = self.random.sample(NAMES, self.random.randint(2, len(NAMES)))
        file = {name: self.rule() for name in names if self.chance(0.7)}
        defaults = [self.rule_default(name) for name in names if self.chance(0.4)]
        return {
            "defaults": defaults,
            "file": file,
            "enforce_new_defaults": self.chance(0.5),
            "default_rule": self.pick("default", "default", "r0", "absent", ""),
            "cases": [self.case([*names, "unheard-of"]) for _ in range(cases)],
        }

    def nova_policy(self, cases):
        """Nova's own rules, a few of them overridden, and tokens as Keystone issues them."""
        overridable = [*self.registered, *self.replaced, "mine", "default", "admin_api"]
        file = {
            name: self.nova_rule()
            for name in self.random.sample(overridable, self.random.randint(0, 6))
        }
        return {
            "defaults": "nova",
            "file": file,
            "enforce_new_defaults": self.chance(0.6),
            "default_rule": "default",
            "cases": [
                {
                    "rule": self.random.choice(self.registered),
                    "credentials": self.token(),
                    "target": self.nova_target(),
                    "decide_admin": True,
                }
                for _ in range(cases)
            ],
        }

    def nova_rule(self):
        check = self.pick(
            "@",
            "!",
            "is_admin:True",
            "is_admin:false",
            "role:admin",
            "role:member",
            "user_id:%(user_id)s",
            "project_id:%(project_id)s",
            "rule:admin_api",
            "rule:admin_or_owner",
            "rule:project_manager_or_admin",
            "rule:context_is_admin",
            "rule:mine",
            f"rule:{self.random.choice(self.registered)}",
            "not role:reader",
        )
        return f"{check} {self.pick('or', 'and')} {self.nova_rule()}" if self.chance(0.3) else check

    def nova_target(self):
        target = {}
        if self.chance(0.8):
            target["project_id"] = self.pick("p1", "p2", None)
        if self.chance(0.5):
            target["user_id"] = self.pick("u1", "u2", None)
        return target

    def token(self):
        attributes = [
            "user_domain_id",
            "project_domain_id",
            "service_user_id",
            "service_user_domain_id",
            "service_project_id",
            "service_project_domain_id",
        ]
        return {
            "user_id": self.pick("u1", "u2"),
            "system_scope": "all" if self.chance(0.05) else None,
            "domain_id": "d1" if self.chance(0.05) else None,
            "project_id": self.pick("p1", "p1", "p2", None),
            "roles": self.random.sample(ROLES[:6], self.random.randint(0, 3)),
            "is_admin_project": self.chance(0.9),
            "service_roles": ["service"] if self.chance(0.1) else [],
            "is_admin": None,
            **{name: self.pick(None, "x1") for name in attributes},
        }

    def rule_default(self, name):
        replaces = None
        if self.chance(0.6):
            replaces = {"name": self.pick(name, *NAMES), "check": self.text(1)}
        check = self.text(2)
        if replaces and self.chance(0.2):
            check = replaces["check"]
        scopes = [self.pick("project", "domain", "system")] if self.chance(0.3) else []
        return {"name": name, "check": check, "scope_types": scopes, "replaces": replaces}

    def rule(self):
        if self.chance(0.12):
            return self.list_form()
        text = self.text(3)
        if self.chance(0.1):
            text = self.mangled(text)
        return text

    def list_form(self):
        def item():
            return self.pick(
                [self.check() for _ in range(self.random.randint(0, 3))], self.check(), "", []
            )

        items = [item() for _ in range(self.random.randint(0, 3))]
        if items and self.chance(0.05):
            items[0] = [
                self.pick(
                    5,
                    None,
                    ["role:admin"],
                    " role:admin",
                    "not role:x",
                    "'a b':a b",
                    "1 if 1 else 2:x",
                )
            ]
        return items

    def text(self, depth):
        """A rule in the language; sensible but for what its checks hold."""
        if depth == 0 or self.chance(0.3):
            return self.check()
        shape = self.random.random()
        if shape < 0.2:
            return f"{self.cased('not')} {self.text(depth - 1)}"
        if shape < 0.4:
            return f"({self.pick('', ' ')}{self.text(depth - 1)}{self.pick('', ' ')})"
        parts = [self.text(depth - 1) for _ in range(self.random.randint(2, 3))]
        text = parts[0]
        for part in parts[1:]:
            text += (
                f"{self.pick(' ', ' ', '  ', chr(9))}{self.cased(self.pick('and', 'or'))} {part}"
            )
        return text

    def cased(self, word):
        return self.pick(word, word, word, word.upper(), word.title())

    def check(self):
        kind = self.random.random()
        if kind < 0.08:
            return self.pick("@", "!")
        if kind < 0.22:
            return "rule:" + self.pick(*NAMES, "r0", "r1", "unheard-of", "")
        if kind < 0.40:
            return "role:" + self.pick(*ROLES, *ROLES, self.template())
        if kind < 0.46:
            return "is_admin:" + self.pick("True", "true", "False", "yes", "")
        if kind < 0.50:
            return f"{self.pick('http', 'https')}://host/{self.template()}?answer={self.pick(*ANSWERS)}"
        if kind < 0.53:
            return self.pick(
                "nonsense",
                "'quoted'",
                '"a:b"',
                "'a':'b'",
                "admin",
                ":",
                "::",
                ":x",
                "a:",
                "%",
                "''",
            )
        return f"{self.left()}:{self.right()}"

    def left(self):
        kind = self.random.random()
        if kind < 0.65:
            return self.random.choice(KINDS)
        if kind < 0.83:
            return self.random.choice(LITERALS)
        if kind < 0.93:
            return self.random.choice(BROKEN_KINDS)
        return self.scribble()

    def right(self):
        return self.pick(
            *VALUES[:8],
            self.template(),
            self.template(),
            *["%(project_id)s", "%(user_id)s", "%(a)s"] * 3,
        )

    def template(self):
        kind = self.random.random()
        if kind < 0.5:
            return f"%({self.random.choice(KEYS)})s"
        if kind < 0.8:
            return f"{self.pick('', 'x', '<')}%({self.random.choice(KEYS)}){self.random.choice(CONVERSIONS)}{self.pick('', 'y')}"
        if kind < 0.9:
            return "".join(
                self.pick("%", "(", ")", "a", "s", "%(a)s", "%%", "%s", "d", ".", "3")
                for _ in range(4)
            )
        return self.pick(
            "%s",
            "%r",
            "%d",
            "%c",
            "%%",
            "%",
            "%(a)%%s",
            "%(a)s%s",
            "%(",
            "%(a",
            "%()s",
            "%5%",
            "%(n)d",
        )

    def scribble(self):
        return "".join(self.random.choice(ALPHABET) for _ in range(self.random.randint(1, 6)))

    def mangled(self, text):
        """The text with a slip or two of the pen."""
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randint(0, len(text))
            insert = self.pick(
                "(", ")", " ", "not ", " and ", " or ", "'", '"', ":", "\x1f", "\xa0", "\n", ""
            )
            text = text[:at] + insert + text[at + self.random.randint(0, 2) :]
        return text

    def case(self, names):
        credentials = self.token() if self.chance(0.4) else self.credentials()
        return {
            "rule": self.random.choice(names),
            "credentials": credentials,
            "target": self.target(),
            "decide_admin": self.chance(0.3),
        }

    def value(self):
        return self.pick(*VALUES, *VALUES, *ODD_VALUES)

    def target(self):
        return {key: self.value() for key in KEYS[:-1] if self.chance(0.8)}

    def credentials(self):
        groups = [{"id": self.value(), "name": "g"}, {}, {"id": "p1"}][: self.random.randint(0, 3)]
        everything = {
            "project_id": self.value(),
            "user_id": self.value(),
            "domain_id": self.pick(None, None, None, "", "d1"),
            "system_scope": self.pick(None, None, None, "", "all"),
            "roles": self.random.sample(ROLES, self.random.randint(0, 4)),
            "service_roles": self.random.sample(ROLES, 1),
            "is_admin": self.pick(None, True, False),
            "is_admin_project": self.chance(0.5),
            "user": self.pick({"id": self.value(), "groups": groups}, "u1", groups),
            "groups": groups,
            "nested": self.pick(
                {"x": self.value(), "deep": {"er": self.value()}}, [["x"], "p1"], None
            ),
            "a": self.value(),
            "n": self.value(),
            "é": self.value(),
            "foo-bar": self.pick("p1", {"x": "p1"}),
        }
        kept = {name: value for name, value in everything.items() if self.chance(0.75)}
        return json.loads(json.dumps(kept))

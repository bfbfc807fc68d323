//! Whatever is sent: an answer, and never one that blames the service.

use godwit_api::nova::routes::{OPERATIONS, Operation, Takes};
use godwit_api::relocation;
use godwit_test_support::postgres::TempPostgres;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::seed::{GROUP, SERVER, hypervisor_uuid, service_uuid};
use crate::world::{Wanted, Who, World};

/// More than this a service that answers requests does not keep of them, in bytes.
const KEPT: u64 = 128 << 20;

/// A request, as odd as it may be and still travel.
#[derive(Clone, Debug)]
struct Odd {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    who: Option<Who>,
}

fn who() -> impl Strategy<Value = Option<Who>> {
    prop_oneof![
        6 => Just(Some(Who::Admin)),
        3 => proptest::sample::select(Who::ALL.to_vec()).prop_map(Some),
        1 => Just(None),
    ]
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(SERVER.to_owned()),
        2 => Just("1".to_owned()),
        1 => "[0-9]{1,25}",
        1 => "[a-zA-Z0-9._~-]{0,12}",
        1 => "(%[0-9a-fA-F]{2}|[a-z/]){0,8}",
        1 => Just("%00".to_owned()),
        1 => proptest::sample::select(vec![
            "req-1".to_owned(),
            GROUP.to_owned(),
            "f1".to_owned(),
            "host-1".to_owned(),
            "enable".to_owned(),
            "force-down".to_owned(),
            service_uuid("host-1").to_string(),
            hypervisor_uuid("host-1").to_string(),
        ]),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let template = proptest::sample::select(
        OPERATIONS
            .iter()
            .map(|it| it.route.path)
            .collect::<Vec<_>>(),
    );
    let root = proptest::sample::select(vec![
        "/v2.1",
        "/v2",
        "/v2.1/57c79af21c7a417ba95da0325bc7300b",
        "",
        "/identity",
        "/identity/v3",
        "/image",
    ]);
    let known = (root, template, vec(segment(), 3)).prop_map(|(root, template, ids)| {
        let path = template
            .replace("{server_id}", &ids[0])
            .replace("{migration_id}", &ids[1])
            .replace("{key}", &ids[1]);
        format!("{root}{}", path.replace("{id}", &ids[2]))
    });
    let native = relocation::routes::OPERATIONS.iter();
    let native = proptest::sample::select(native.map(|it| it.route.path).collect::<Vec<_>>());
    let native = (native, segment())
        .prop_map(|(template, id)| template.replace("{id}", &id).replace("{delivery}", &id));
    prop_oneof![
        8 => known,
        2 => native,
        1 => vec(segment(), 0..6).prop_map(|it| format!("/{}", it.join("/"))),
    ]
}

/// Every name that the query of some route knows, and one that none does.
fn parameters() -> Vec<String> {
    let queries = OPERATIONS.iter().filter_map(|it| match it.takes {
        Takes::Query(query) => query,
        Takes::Body(_) | Takes::Action(..) => None,
    });
    let known = queries
        .flat_map(|query| query.editions)
        .flat_map(|it| it.parameters);
    let native = relocation::routes::OPERATIONS.iter();
    let native = native.flat_map(|it| match it.takes {
        relocation::routes::Takes::Query(keys) => keys,
        relocation::routes::Takes::Body => &[],
    });
    let mut names: Vec<_> = known.map(|parameter| parameter.name.to_owned()).collect();
    names.extend(native.map(|name| (*name).to_owned()));
    names.push("_x".to_owned());
    names.sort_unstable();
    names.dedup();
    names
}

/// Every action that some route knows.
fn actions() -> Vec<String> {
    let all = OPERATIONS.iter().filter_map(Operation::action);
    all.map(str::to_owned).collect()
}

fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        5 => proptest::sample::select(parameters()),
        1 => "[a-zA-Z%0-9]{0,6}",
    ];
    let value = prop_oneof![
        2 => "[0-9]{0,22}",
        2 => proptest::sample::select(vec![
            "running", "ACTIVE", "1", "0", "true", "asc", "created_at", "host-1", "migrating",
            "2026-11-14T18:00:00Z", "0000-01-01", "9999-12-31T23:59:59-23:59", "%00", "%ff",
            "%28", "a%00b", ".*", "24f55ce2-268d-5091-9bd6-17514ba6c04d", "-1", "1e9",
            "live", "migration.*,run.*", "migration/24f55ce2-268d-5091-9bd6-17514ba6c04d", "host/x",
            "uuid,timeline",
        ]).prop_map(str::to_owned),
        1 => "(%[0-9a-f]{2}|[ -~&&[^ #\"<>`{}|^\\\\]]){0,10}",
    ];
    let pair = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
    vec(pair, 0..5).prop_map(|pairs| pairs.join("&"))
}

fn body() -> impl Strategy<Value = Option<Vec<u8>>> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1.5e300".to_owned()),
        Just("-0".to_owned()),
        Just("\"auto\"".to_owned()),
        Just("\"host-1\"".to_owned()),
        Just("\"error\"".to_owned()),
        Just("\"nova-compute\"".to_owned()),
        Just("\"\\u0000\\ud83d\\ude00\"".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        "\"[ -~&&[^\"\\\\]]{0,20}\"",
    ];
    let value = scalar.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            proptest::sample::select(vec![
                "host",
                "block_migration",
                "disk_over_commit",
                "force",
                "onSharedStorage",
                "adminPass",
                "locked_reason",
                "state",
                "status",
                "disabled_reason",
                "forced_down",
                "binary",
            ])
            .prop_map(str::to_owned),
            "[a-z]{0,5}",
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((key, inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(k, v)| format!("\"{k}\":{v}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    let action = prop_oneof![8 => proptest::sample::select(actions()), 1 => "[a-z]{0,6}"];
    let json = (action, value.clone()).prop_map(|(name, value)| format!("{{\"{name}\":{value}}}"));
    prop_oneof![
        4 => json.prop_map(|it| Some(it.into_bytes())),
        1 => value.prop_map(|it| Some(it.into_bytes())),
        1 => vec(any::<u8>(), 0..40).prop_map(Some),
        1 => Just(Some(vec![b'['; 100_000])),
        2 => Just(None),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = proptest::sample::select(vec![
        "OpenStack-API-Version",
        "X-OpenStack-Nova-API-Version",
        "Content-Type",
        "Accept",
        "X-Auth-Token",
        "X-Subject-Token",
        "X-OpenStack-Request-ID",
        "Idempotency-Key",
        "Vary",
        "X-Forwarded-Proto",
    ]);
    let value = prop_oneof![
        4 => (0u32..110).prop_map(|minor| format!("compute 2.{minor}")),
        2 => (0u32..110).prop_map(|minor| format!("2.{minor}")),
        1 => proptest::sample::select(vec![
            "", "latest", "compute latest", "application/json", "text/plain", "text/xml", ",,,",
            "application/vnd.openstack.compute+json", "*/*;q=9", "a.b.c", "compute  ", "ä",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{0,20}",
    ];
    vec(
        (
            name.prop_map(str::to_owned),
            value.prop_map(|it| it.trim().to_owned()),
        ),
        0..4,
    )
}

fn odd() -> impl Strategy<Value = Odd> {
    let method = prop_oneof![
        6 => proptest::sample::select(vec!["GET", "POST", "PUT", "DELETE"]).prop_map(str::to_owned),
        1 => proptest::sample::select(vec!["PATCH", "HEAD", "OPTIONS"]).prop_map(str::to_owned),
        1 => "[A-Z]{1,8}".prop_filter("a tunnel is no request", |it| it != "CONNECT"),
    ];
    (method, path(), query(), headers(), body(), who()).prop_map(
        |(method, path, query, headers, body, who)| {
            let path = if query.is_empty() {
                path
            } else {
                format!("{path}?{query}")
            };
            Odd {
                method,
                path,
                headers,
                body,
                who,
            }
        },
    )
}

/// Those who may see nothing of the seeded project; and nobody at all.
const OUTSIDERS: [Who; 5] = [
    Who::Stranger,
    Who::Nobody,
    Who::SystemAdmin,
    Who::SystemReader,
    Who::Unscoped,
];

/// What stands in the seeded rows, and what no request says.
const SECRETS: [&str; 4] = ["u-owner", "example.org", "it is audited", "It broke."];

/// How much memory this process has, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}

#[test]
fn nothing_that_is_sent_is_the_services_fault() {
    bombard(None);
}

/// The one database takes what the other refuses.
#[test]
fn on_postgres_as_well() {
    let server = TempPostgres::shared().unwrap();
    bombard(Some(server.create_database().unwrap()));
}

fn bombard(postgres: Option<String>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(async {
        let world = World::with(Wanted {
            identity: true,
            postgres,
            ..Wanted::default()
        })
        .await;
        world.moving("running").await;
        world.history();
        world
    });
    // The seeded migration holds nothing and has no history; nothing else may become wrong.
    let before = runtime.block_on(world.store.check_invariants()).unwrap();
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|it| it.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(2_000),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let memory = resident();
    let outcome = runner.run(&odd(), |odd| {
        let mut ask = world.ask(&odd.method, &odd.path);
        if let Some(who) = odd.who {
            ask = ask.by(who);
        }
        for (name, value) in &odd.headers {
            ask = ask.header(name, value);
        }
        if let Some(body) = odd.body.clone() {
            ask = ask.body(body);
        }
        let answer = runtime.block_on(ask.send());
        prop_assert!(answer.status < 500, "{answer:?}");
        prop_assert!(!answer.text.contains("panicked"), "{answer:?}");
        let outsider = odd.who.is_none_or(|who| OUTSIDERS.contains(&who));
        for secret in SECRETS.iter().filter(|_| outsider) {
            prop_assert!(!answer.text.contains(secret), "{answer:?}");
        }
        if answer
            .header("content-type")
            .is_some_and(|it| it.starts_with("application/json"))
            && !answer.text.is_empty()
        {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&answer.text).is_ok());
        }
        Ok(())
    });
    outcome.unwrap();
    let grown = resident().saturating_sub(memory);
    assert!(grown < KEPT, "{grown} bytes more");
    let after = runtime.block_on(world.store.check_invariants()).unwrap();
    let new: Vec<_> = after.iter().filter(|it| !before.contains(it)).collect();
    assert!(new.is_empty(), "{new:?}");
}

use super::*;
use crate::generate;

fn ids(fleet: &Fleet) -> Vec<ServerUuid> {
    fleet
        .servers()
        .iter()
        .map(|(_, it)| it.need.server)
        .collect()
}

#[test]
fn a_wish_that_is_none_is_refused_with_what_is_wrong() {
    use WishError as E;
    let fleet = generate::fleet(1, 3, 9, generate::link(10, 10)).unwrap();
    let (ids, unknown) = (
        ids(&fleet),
        "99999999-0000-4000-8000-000000000000".parse().unwrap(),
    );
    let name = |text: &str| HostName::new(text).unwrap();
    let servers = |servers: &[_], destination: Option<&str>| Wish::Servers {
        servers: servers.to_vec(),
        destination: destination.map(name),
    };
    let rolling = |hosts: &[&str], max_unavailable| Wish::Rolling {
        hosts: hosts.iter().map(|it| name(it)).collect(),
        max_unavailable,
    };
    for (wish, error) in [
        (servers(&[], None), E::Nothing),
        (servers(&[unknown], None), E::UnknownServer(unknown)),
        (servers(&[ids[0], ids[0]], None), E::ServerTwice(ids[0])),
        (
            servers(&ids[..2], Some("host-1")),
            E::DestinationNeedsOneServer,
        ),
        (servers(&ids[..1], Some("x")), E::UnknownHost(name("x"))),
        (Wish::Host { host: name("x") }, E::UnknownHost(name("x"))),
        (
            rolling(&["host-1", "host-1"], 1),
            E::HostTwice(name("host-1")),
        ),
        (rolling(&["host-1"], 0), E::NoneUnavailable),
        (rolling(&[], 1), E::Nothing),
    ] {
        assert_eq!(
            wish.check(&fleet, &Options::default()),
            Err(error),
            "{wish:?}"
        );
    }
}

#[test]
fn constraints_in_a_circle_are_refused() {
    let fleet = generate::fleet(1, 3, 9, generate::link(10, 10)).unwrap();
    let ids = ids(&fleet);
    let wish = Wish::Servers {
        servers: ids.clone(),
        destination: None,
    };
    let check = |constraints| {
        let options = Options {
            constraints,
            ..Options::default()
        };
        wish.check(&fleet, &options)
    };
    let before = |a: usize, b: usize| Constraint::Before(ids[a], ids[b]);
    assert_eq!(
        check(vec![before(0, 1), before(1, 2), before(0, 2)]),
        Ok(())
    );
    let circle = check(vec![before(0, 1), before(1, 2), before(2, 1), before(2, 3)]);
    assert_eq!(circle, Err(WishError::ConstraintCycle(ids[1])));
    let none = check(vec![Constraint::AtMost(0, ids.clone())]);
    assert_eq!(none, Err(WishError::NoneAtATime));
}

#[test]
fn constraints_read_as_the_api_writes_them() {
    let a = "11111111-2222-4333-8444-555555555555";
    let text = format!(
        r#"[{{"before": ["{a}", "{a}"]}}, {{"not_together": ["{a}"]}}, {{"at_most": [2, ["{a}"]]}}]"#
    );
    let read: Vec<Constraint> = serde_json::from_str(&text).unwrap();
    let a: ServerUuid = a.parse().unwrap();
    let expected = [
        Constraint::Before(a, a),
        Constraint::NotTogether(vec![a]),
        Constraint::AtMost(2, vec![a]),
    ];
    assert_eq!(read, expected);
}

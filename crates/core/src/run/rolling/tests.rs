use super::*;
use crate::fixtures::host;

fn of(states: &[(&str, RollingState)]) -> Rolling {
    let mut rolling = Rolling::of(states.iter().map(|(name, _)| host(name)), 2);
    for (of_run, (_, state)) in rolling.hosts.iter_mut().zip(states) {
        of_run.state = *state;
    }
    rolling
}

#[test]
fn a_host_that_is_still_to_be_done_is_the_last_choice_and_one_being_done_is_none() {
    use RollingState as R;
    let rolling = of(&[
        ("a", R::Done),
        ("b", R::Ready),
        ("c", R::Emptying),
        ("d", R::Waiting),
    ]);
    let preference = |name| rolling.preference(&host(name));
    assert_eq!(preference("a"), Some(Preference::Lasting));
    assert_eq!(preference("elsewhere"), Some(Preference::Lasting));
    assert_eq!(preference("b"), None);
    assert_eq!(preference("c"), None);
    assert_eq!(preference("d"), Some(Preference::Passing));
    assert!(Preference::Lasting < Preference::Passing);
}

#[test]
fn hosts_begin_in_their_order_and_as_many_as_may_be_unavailable() {
    use RollingState as R;
    let waiting = |name| (name, R::Waiting);
    let mut rolling = of(&[("a", R::Done), ("b", R::Ready), waiting("c"), waiting("d")]);
    assert_eq!(rolling.begin_next(), [host("c")]);
    assert_eq!(rolling.begin_next(), []);
    rolling.max_unavailable = 0;
    assert_eq!(rolling.begin_next(), []);
}

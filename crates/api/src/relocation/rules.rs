//! The names of the policy rules that this API asks.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = concat!("relocation:", $text);)+
    };
}

rules! {
    MIGRATIONS_LIST = "migrations:list";
    MIGRATIONS_SHOW = "migrations:show";
    EVENTS_LIST = "events:list";
    SNAPSHOT_SHOW = "snapshot:show";
    /// See hosts by name, and texts that may name them.
    HOSTS_SEE = "hosts:see";
}

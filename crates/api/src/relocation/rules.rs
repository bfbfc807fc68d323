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
    WEBHOOKS_LIST = "webhooks:list";
    WEBHOOKS_SHOW = "webhooks:show";
    WEBHOOKS_CREATE = "webhooks:create";
    WEBHOOKS_DELETE = "webhooks:delete";
    WEBHOOKS_REDELIVER = "webhooks:redeliver";
    /// See hosts by name, and texts that may name them.
    HOSTS_SEE = "hosts:see";
}

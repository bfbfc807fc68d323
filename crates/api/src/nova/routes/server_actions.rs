//! What can be done to a server: the actions of `POST /servers/{server_id}/action`.

use super::{Action, Versions};
use crate::nova::handlers::{
    cold_migration, evacuation, live_migration, locks, power, reset_state, resize,
};
use crate::nova::rules;
use crate::nova::schemas::{self, server_actions};

/// All of them.
pub(super) static SERVER_ACTIONS: &[Action] = &[
    Action {
        name: "os-migrateLive",
        rules: &[rules::MIGRATE_LIVE, rules::MIGRATE_LIVE_HOST],
        versions: Versions::ALL,
        body: schemas::live_migration::BODY,
        handler: live_migration::migrate,
    },
    Action {
        name: "migrate",
        rules: &[rules::MIGRATE, rules::MIGRATE_HOST],
        versions: Versions::ALL,
        body: server_actions::MIGRATE,
        handler: cold_migration::migrate,
    },
    Action {
        name: "confirmResize",
        rules: &[rules::CONFIRM_RESIZE],
        versions: Versions::ALL,
        body: server_actions::ANYTHING,
        handler: resize::confirm,
    },
    Action {
        name: "revertResize",
        rules: &[rules::REVERT_RESIZE],
        versions: Versions::ALL,
        body: server_actions::ANYTHING,
        handler: resize::revert,
    },
    Action {
        name: "evacuate",
        rules: &[rules::EVACUATE],
        versions: Versions::ALL,
        body: schemas::evacuation::BODY,
        handler: evacuation::evacuate,
    },
    Action {
        name: "os-stop",
        rules: &[rules::STOP],
        versions: Versions::ALL,
        body: server_actions::ANYTHING,
        handler: power::stop,
    },
    Action {
        name: "os-start",
        rules: &[rules::START],
        versions: Versions::ALL,
        body: server_actions::ANYTHING,
        handler: power::start,
    },
    Action {
        name: "reboot",
        rules: &[rules::REBOOT],
        versions: Versions::ALL,
        body: server_actions::REBOOT,
        handler: power::reboot,
    },
    Action {
        name: "lock",
        rules: &[rules::LOCK],
        versions: Versions::ALL,
        body: server_actions::LOCK,
        handler: locks::lock,
    },
    Action {
        name: "unlock",
        rules: &[rules::UNLOCK, rules::UNLOCK_OVERRIDE],
        versions: Versions::ALL,
        body: server_actions::ANYTHING,
        handler: locks::unlock,
    },
    Action {
        name: "os-resetState",
        rules: &[rules::RESET_STATE],
        versions: Versions::ALL,
        body: server_actions::RESET_STATE,
        handler: reset_state::reset,
    },
];

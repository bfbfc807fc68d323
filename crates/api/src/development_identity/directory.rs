//! Who there is. Everybody's password is their name.

use serde::Serialize;
use sha2::{Digest, Sha256};

pub(super) const DOMAIN: Domain = Domain {
    id: "default",
    name: "Default",
};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Domain {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Project {
    pub name: &'static str,
}

/// A user, who has roles in one project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    /// Its name, which is also its password.
    pub name: &'static str,
    pub project: Project,
    /// What it may do there; a role brings those that it implies.
    pub roles: &'static [&'static str],
    /// The same for the system as a whole.
    pub system_roles: &'static [&'static str],
}

const ADMIN: Project = Project { name: "admin" };
const DEMO: Project = Project { name: "demo" };
const LAB: Project = Project { name: "lab" };

pub(super) const PROJECTS: [Project; 3] = [ADMIN, DEMO, LAB];

pub(super) const ROLES: [&str; 4] = ["admin", "manager", "member", "reader"];

pub(super) const USERS: [User; 5] = [
    User {
        name: "admin",
        project: ADMIN,
        roles: &["admin", "manager", "member", "reader"],
        system_roles: &["admin", "manager", "member", "reader"],
    },
    User {
        name: "manager",
        project: DEMO,
        roles: &["manager", "member", "reader"],
        system_roles: &[],
    },
    User {
        name: "member",
        project: DEMO,
        roles: &["member", "reader"],
        system_roles: &[],
    },
    User {
        name: "reader",
        project: DEMO,
        roles: &["reader"],
        system_roles: &[],
    },
    User {
        name: "stranger",
        project: LAB,
        roles: &["member", "reader"],
        system_roles: &[],
    },
];

pub fn project_named(name: &str) -> Option<Project> {
    PROJECTS.into_iter().find(|project| project.name == name)
}

pub fn user_named(name: &str) -> Option<User> {
    USERS.into_iter().find(|user| user.name == name)
}

pub(super) fn project_with_id(id: &str) -> Option<Project> {
    PROJECTS.into_iter().find(|project| project.id() == id)
}

pub(super) fn user_with_id(id: &str) -> Option<User> {
    USERS.into_iter().find(|user| user.id() == id)
}

impl Project {
    /// Its id: the same in every installation.
    pub fn id(self) -> String {
        id_of("project", self.name)
    }
}

impl User {
    /// Its id: the same in every installation.
    pub fn id(self) -> String {
        id_of("user", self.name)
    }
}

pub(super) fn role_id(name: &str) -> String {
    id_of("role", name)
}

/// Thirty-two hexadecimal digits, as Keystone's ids are; Nova's router takes no other project.
fn id_of(kind: &str, name: &str) -> String {
    let hash = Sha256::digest(format!("godwit development {kind} {name}"));
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_stay() {
        let mut ids: Vec<_> = USERS.iter().map(|user| user.id()).collect();
        ids.extend(PROJECTS.iter().map(|project| project.id()));
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert_eq!(
            project_named("demo").unwrap().id(),
            "b461406968de3e377a4952d9316fc19c"
        );
    }
}

//! One request out of every shape that the body ever had.

use godwit_core::ids::HostName;
use godwit_core::migration::{BlockMigration, LiveRequest};
use godwit_core::plan::options::Affinity;
use serde_json::Value;

use crate::nova::error::ApiError;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::body::is_true;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LiveMigrationBody<'a> {
    pub(super) host: Option<&'a str>,
    /// `force`, where the version has it.
    force: bool,
    /// Does a named host bypass the scheduler?
    forced: bool,
    block_migration: BlockMigration,
    disk_over_commit: Option<bool>,
    /// Does the answer wait for the pre-checks?
    pub(super) synchronous: bool,
}

impl<'a> LiveMigrationBody<'a> {
    pub(super) fn read(body: &'a Value, version: Microversion) -> Self {
        let host = body["host"].as_str().filter(|host| !host.is_empty());
        let force = is_true(&body["force"]);
        // Before `force` existed, naming a host forced it; since it is gone, nothing does.
        let forced = match host {
            None => false,
            Some(_) => version < milestone::FORCE_DESTINATION || force,
        };
        let block_migration = match &body["block_migration"] {
            Value::String(auto) if auto == "auto" => BlockMigration::Auto,
            value if is_true(value) => BlockMigration::Yes,
            _ => BlockMigration::No,
        };
        let disk_over_commit = body.get("disk_over_commit").map(is_true);
        Self {
            host,
            force,
            forced,
            block_migration,
            disk_over_commit,
            synchronous: version < milestone::ASYNCHRONOUS_PRECHECKS,
        }
    }

    pub(super) fn check_force(&self) -> Result<(), ApiError> {
        if self.force && self.host.is_none() {
            let text = "Can't force to a non-provided destination".to_owned();
            return Err(ApiError::BadRequest(text));
        }
        Ok(())
    }

    pub(super) fn request(&self, host: Option<HostName>) -> LiveRequest {
        LiveRequest {
            host,
            forced: self.forced,
            block_migration: self.block_migration,
            disk_over_commit: self.disk_over_commit,
            synchronous: self.synchronous,
            affinity: Affinity::Strict,
            must_converge: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(minor: u32, body: &Value) -> LiveRequest {
        let body = LiveMigrationBody::read(body, Microversion::new(2, minor));
        body.request(body.host.map(|host| HostName::new(host).unwrap()))
    }

    fn request(
        host: Option<&str>,
        forced: bool,
        block_migration: BlockMigration,
        disk_over_commit: Option<bool>,
        synchronous: bool,
    ) -> LiveRequest {
        let host = host.map(|host| HostName::new(host).unwrap());
        LiveRequest {
            host,
            forced,
            block_migration,
            disk_over_commit,
            synchronous,
            affinity: Affinity::Strict,
            must_converge: false,
        }
    }

    #[test]
    fn every_shape_is_read_as_one_request() {
        use BlockMigration::{Auto, No, Yes};
        let old = json!({"host": "h", "block_migration": "True", "disk_over_commit": "off"});
        assert_eq!(
            read(1, &old),
            request(Some("h"), true, Yes, Some(false), true)
        );
        let old = json!({"host": null, "block_migration": false, "disk_over_commit": true});
        assert_eq!(read(24, &old), request(None, false, No, Some(true), true));

        let plain = json!({"host": "h", "block_migration": "auto"});
        assert_eq!(read(25, &plain), request(Some("h"), true, Auto, None, true));
        assert_eq!(
            read(33, &plain),
            request(Some("h"), false, Auto, None, true)
        );
        assert_eq!(
            read(34, &plain),
            request(Some("h"), false, Auto, None, false)
        );
        assert_eq!(
            read(68, &plain),
            request(Some("h"), false, Auto, None, false)
        );

        let forced = json!({"host": "h", "block_migration": "no", "force": "yes"});
        assert_eq!(read(67, &forced), request(Some("h"), true, No, None, false));
        let unforced = json!({"host": "h", "block_migration": "no", "force": false});
        assert_eq!(
            read(30, &unforced),
            request(Some("h"), false, No, None, true)
        );
    }

    #[test]
    fn force_needs_a_host() {
        let body = json!({"host": null, "block_migration": "auto", "force": true});
        let body = LiveMigrationBody::read(&body, Microversion::new(2, 30));
        assert_eq!(
            body.check_force().unwrap_err().message(),
            "Can't force to a non-provided destination"
        );
    }
}

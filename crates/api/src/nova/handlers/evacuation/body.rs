//! One request out of every shape that the body ever had.

use serde_json::Value;

use crate::nova::error::ApiError;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::body::is_true;

/// What a valid body asks for. Not to be printed: it may hold a password.
pub(super) struct EvacuationBody<'a> {
    pub(super) host: Option<&'a str>,
    /// Does a named host bypass the scheduler?
    pub(super) forced: bool,
    /// Is the server left stopped, whatever it was?
    pub(super) end_stopped: bool,
    /// Where answers still speak of passwords: what this one says.
    pub(super) password: Option<Password<'a>>,
}

/// Of whom the rebuilt server's password would be. Nothing is rebuilt but from shared disks,
/// where the old one stays; clients of these versions expect to be told one all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Password<'a> {
    Given(&'a str),
    New,
    /// Nobody's: it stays what it is on the disk.
    Kept,
}

impl<'a> EvacuationBody<'a> {
    /// Reads a body that is valid in `version`.
    pub(super) fn read(body: &'a Value, version: Microversion) -> Result<Self, ApiError> {
        let host = body["host"].as_str();
        let force = is_true(&body["force"]);
        if force && host.is_none() {
            let text = "Can't force to a non-provided destination".to_owned();
            return Err(ApiError::BadRequest(text));
        }
        let password = match version < milestone::EVACUATE_WITHOUT_PASSWORD {
            true => Some(Password::read(body)?),
            false => None,
        };
        Ok(Self {
            host,
            // Before `force` existed, naming a host forced it; since it is gone, nothing does.
            forced: host.is_some() && (version < milestone::FORCE_EVACUATION || force),
            end_stopped: version >= milestone::EVACUATE_STOPPED,
            password,
        })
    }
}

impl<'a> Password<'a> {
    fn read(body: &'a Value) -> Result<Self, ApiError> {
        match (
            body["adminPass"].as_str(),
            is_true(&body["onSharedStorage"]),
        ) {
            (Some(_), true) => Err(ApiError::BadRequest(
                "admin password can't be changed on existing disk".to_owned(),
            )),
            (Some(given), false) => Ok(Self::Given(given)),
            (None, true) => Ok(Self::Kept),
            (None, false) => Ok(Self::New),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(minor: u32, body: &Value) -> Result<EvacuationBody<'_>, String> {
        let body = EvacuationBody::read(body, Microversion::new(2, minor));
        body.map_err(|error| error.message().to_owned())
    }

    #[test]
    fn who_is_forced_and_who_ends_stopped() {
        let named = json!({"host": "h", "onSharedStorage": true});
        for (minor, body, forced, stopped) in [
            (1, &named, true, false),
            (28, &named, true, false),
            (29, &named, false, false),
            (29, &json!({"host": "h", "force": "yes"}), true, false),
            (67, &json!({"host": "h", "force": false}), false, false),
            (94, &named, false, false),
            (95, &named, false, true),
            (104, &json!({}), false, true),
            (28, &json!({}), false, false),
        ] {
            let read = read(minor, body).map(|body| (body.forced, body.end_stopped));
            assert_eq!(read, Ok((forced, stopped)), "2.{minor} {body}");
        }
        let nowhere = json!({"force": "on"});
        let text = "Can't force to a non-provided destination";
        assert_eq!(read(29, &nowhere).err().as_deref(), Some(text));
    }

    #[test]
    fn whose_password_it_is() {
        let shared = |given: Option<&str>| match given {
            Some(given) => json!({"onSharedStorage": "yes", "adminPass": given}),
            None => json!({"onSharedStorage": true}),
        };
        let fresh = |given: Option<&str>| match given {
            Some(given) => json!({"onSharedStorage": false, "adminPass": given}),
            None => json!({"onSharedStorage": "no"}),
        };
        for (minor, body, expected) in [
            (13, fresh(None), Ok(Some(Password::New))),
            (13, fresh(Some("x")), Ok(Some(Password::Given("x")))),
            (1, fresh(Some("")), Ok(Some(Password::Given("")))),
            (1, shared(None), Ok(Some(Password::Kept))),
            (
                1,
                shared(Some("x")),
                Err("admin password can't be changed on existing disk".to_owned()),
            ),
            (14, json!({"adminPass": "x"}), Ok(None)),
        ] {
            let read = read(minor, &body).map(|body| body.password);
            assert!(read == expected, "2.{minor} {body}");
        }
    }
}

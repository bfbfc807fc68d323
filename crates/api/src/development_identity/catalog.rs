//! Which services there are, and where.

use serde_json::{Value, json};

use crate::links::Base;

/// Compute, identity, and an image service.
pub(super) fn catalog(base: &Base) -> Value {
    json!([
        service("compute", "nova", &format!("{base}/v2.1")),
        service("identity", "keystone", &format!("{base}/identity")),
        service("image", "glance", &format!("{base}/image")),
    ])
}

const INTERFACES: [&str; 3] = ["public", "internal", "admin"];

fn service(kind: &str, name: &str, url: &str) -> Value {
    let endpoint = |interface: &str| {
        json!({
            "id": format!("{kind}-{interface}"),
            "interface": interface,
            "region": "RegionOne",
            "region_id": "RegionOne",
            "url": url,
        })
    };
    json!({
        "id": kind,
        "type": kind,
        "name": name,
        "endpoints": INTERFACES.map(endpoint),
    })
}

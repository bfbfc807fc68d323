//! Where services are.

use reqwest::Url;
use serde_json::Value;

use crate::client::clouds::Cloud;
use crate::client::failure::Failure;

pub(super) fn address(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text)
        .ok()
        .filter(|it| matches!(it.scheme(), "http" | "https"));
    url.ok_or_else(|| Failure::Access(format!("{text:?} is no address of a service")))
}

/// The native API of a service at this address, which may be that of Nova's.
pub(super) fn native(service: &Url) -> Url {
    let mut native = service.clone();
    if !native
        .path()
        .trim_end_matches('/')
        .ends_with("/relocation/v1")
    {
        native.set_path("/relocation/v1");
    }
    native.set_query(None);
    native
}

pub(super) struct Endpoints<'a> {
    pub(super) catalog: &'a [Value],
    pub(super) cloud: &'a Cloud,
}

impl<'a> Endpoints<'a> {
    pub(super) fn relocation(&self) -> Result<Url, Failure> {
        if let Some(said) = &self.cloud.endpoint {
            return address(said);
        }
        if let Some(known) = self.of("relocation") {
            return address(known);
        }
        let compute = self.of("compute").ok_or_else(|| {
            let region = self.cloud.region.as_deref();
            let region = region.map_or_else(String::new, |it| format!(" in the region {it}"));
            Failure::Access(format!(
                "the catalog has neither a service of the type relocation nor one of the type \
                 compute{region}, with the interface {}",
                self.cloud.interface
            ))
        })?;
        Ok(native(&address(compute)?))
    }

    /// The address of a service, where the cloud's region and interface have one.
    pub(super) fn of(&self, kind: &str) -> Option<&'a str> {
        let services = self.catalog.iter().filter(|it| it["type"] == kind);
        let endpoints = services.flat_map(|it| it["endpoints"].as_array().into_iter().flatten());
        let is_there = |endpoint: &&Value| {
            let region = self.cloud.region.as_deref();
            let in_region =
                |region| endpoint["region_id"] == region || endpoint["region"] == region;
            endpoint["interface"] == self.cloud.interface.as_str() && region.is_none_or(in_region)
        };
        endpoints.into_iter().find(is_there)?["url"].as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::access::Secret;
    use crate::client::clouds::{LogIn, Scope};
    use serde_json::json;

    fn cloud(region: Option<&str>, interface: &str) -> Cloud {
        Cloud {
            auth_url: None,
            log_in: LogIn::Token {
                token: Secret("t".to_owned()),
                scope: Scope::Nothing,
            },
            region: region.map(str::to_owned),
            interface: interface.to_owned(),
            cacert: None,
            client_certificate: None,
            verify: true,
            endpoint: None,
        }
    }

    fn service(kind: &str, region: &str, interface: &str, url: &str) -> Value {
        let endpoint = json!({"interface": interface, "region_id": region, "url": url});
        json!({"type": kind, "endpoints": [endpoint]})
    }

    fn found(catalog: &[Value], cloud: &Cloud) -> Result<String, String> {
        let endpoints = Endpoints { catalog, cloud };
        let found = endpoints.relocation();
        found.map(|it| it.to_string()).map_err(|it| it.to_string())
    }

    #[test]
    fn the_service_is_found_by_region_and_interface() {
        let catalog = [
            service("relocation", "one", "public", "http://a/relocation/v1"),
            service("relocation", "two", "public", "http://b/relocation/v1"),
            service("relocation", "two", "internal", "http://c/x/relocation/v1"),
        ];
        let find = |region, interface| found(&catalog, &cloud(region, interface)).unwrap();
        assert_eq!(find(None, "public"), "http://a/relocation/v1");
        assert_eq!(find(Some("two"), "public"), "http://b/relocation/v1");
        assert_eq!(find(Some("two"), "internal"), "http://c/x/relocation/v1");
    }

    #[test]
    fn without_one_it_is_where_compute_is() {
        let catalog = [service(
            "compute",
            "one",
            "public",
            "https://n:8774/v2.1/abc",
        )];
        assert_eq!(
            found(&catalog, &cloud(None, "public")).unwrap(),
            "https://n:8774/relocation/v1"
        );
        let error = found(&catalog, &cloud(Some("two"), "admin")).unwrap_err();
        assert!(error.contains("two") && error.contains("admin"), "{error}");
    }
}

//! How to reach a cloud: as any OpenStack tool is told it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

const HEADING: &str = "Cloud";

/// A word that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// What is said here wins over `clouds.yaml` and the environment.
#[derive(Args, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// The cloud, as clouds.yaml names it [env: OS_CLOUD=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "NAME")]
    pub(crate) os_cloud: Option<String>,
    /// How to log in: password, token, v3applicationcredential or admin_token [env: OS_AUTH_TYPE=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "TYPE")]
    pub(crate) os_auth_type: Option<String>,
    /// Where Keystone is [env: OS_AUTH_URL=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "URL")]
    pub(crate) os_auth_url: Option<String>,
    /// Where the service is, with a token that needs no Keystone [env: OS_ENDPOINT=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "URL")]
    pub(crate) os_endpoint: Option<String>,
    /// The user's name [env: OS_USERNAME=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "NAME")]
    pub(crate) os_username: Option<String>,
    /// The user's domain [env: OS_USER_DOMAIN_NAME=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "NAME")]
    pub(crate) os_user_domain_name: Option<String>,
    /// The password. Others on this machine see it: better in a file or in [env: OS_PASSWORD=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "PASSWORD")]
    pub(crate) os_password: Option<Secret>,
    /// A token. Others on this machine see it: better in a file or in [env: OS_TOKEN=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "TOKEN")]
    pub(crate) os_token: Option<Secret>,
    /// The project's name [env: OS_PROJECT_NAME=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "NAME")]
    pub(crate) os_project_name: Option<String>,
    /// The project's domain [env: OS_PROJECT_DOMAIN_NAME=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "NAME")]
    pub(crate) os_project_domain_name: Option<String>,
    /// For the whole system (`all`) instead of a project [env: OS_SYSTEM_SCOPE=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "SCOPE")]
    pub(crate) os_system_scope: Option<String>,
    /// The region whose service is asked [env: OS_REGION_NAME=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "NAME")]
    pub(crate) os_region_name: Option<String>,
    /// Which of the service's addresses: public, internal or admin [env: OS_INTERFACE=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "INTERFACE")]
    pub(crate) os_interface: Option<String>,
    /// Whose certificates are trusted, PEM [env: OS_CACERT=].
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING, value_name = "FILE")]
    pub(crate) os_cacert: Option<PathBuf>,
    /// Trust whoever answers.
    #[arg(long, global = true, hide_short_help = true, help_heading = HEADING)]
    pub(crate) insecure: bool,
}

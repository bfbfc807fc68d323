//! The command line. It is a fixed interface: scripts and people rely on every word of it.
//!
//! `cargo xtask command-line` reads this file as well, to write manual pages and completions of it.
//! So it knows nothing of the rest of the program.

#[path = "cli/access.rs"]
pub(crate) mod access;
#[path = "cli/client.rs"]
pub(crate) mod client;
#[path = "cli/plan_simulate.rs"]
pub(crate) mod plan_simulate;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use godwit_core::ids::HostName;

use self::access::Access;
use self::client::Client;
use self::plan_simulate::PlanSimulate;

/// The directory of `up` when nobody names one.
pub(crate) const DEFAULT_DATA: &str = "godwit-data";

/// A migration service for virtual servers that speaks Nova's API.
#[derive(Parser, Debug)]
#[command(name = "godwit", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to be, or to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// Roles and tools.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Every role in one process, with simulated hosts.
    Up(Up),
    /// Serve Nova's API.
    Api(ConfigFile),
    /// Drive migrations.
    Conductor(ConfigFile),
    /// Serve one hypervisor host.
    Agent(ConfigFile),
    /// Serve simulated hosts.
    SimulatedAgents(SimulatedAgents),
    /// Look at all that a configuration names, and say what is wrong. Exits with 1 if anything is.
    Doctor(ConfigFile),
    /// Look after the database.
    #[command(subcommand)]
    Db(Db),
    /// Tokens for the API.
    #[command(subcommand)]
    Token(Token),
    /// Ask the access rules.
    #[command(subcommand)]
    Policy(Policy),
    /// Certificates for conductors and agents, where no authority of yours makes them.
    #[command(subcommand)]
    Certs(Certs),
    /// Plans: moves that are seen before they happen.
    #[command(subcommand)]
    Plan(Plan),
    #[command(flatten)]
    Client(Client),
}

/// Plans.
#[derive(Subcommand, Debug)]
pub(crate) enum Plan {
    #[command(flatten)]
    OfService(client::Plan),
    /// Plan moves of a fleet that is in a file, without a service. Exits with 3 if servers are
    /// blocked, with 1 if there can be no such plan.
    Simulate(PlanSimulate),
}

/// What `up` listens to, where it keeps things, and what it fills an empty place with.
#[derive(Args, Debug)]
pub(crate) struct Up {
    /// Where the API (and the development identity) listens; port 0 picks a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8774")]
    pub(crate) listen: SocketAddr,
    /// Where metrics and health are served; port 0 picks a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9774")]
    pub(crate) metrics: SocketAddr,
    /// Where everything is kept; made when it does not exist.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub(crate) data: PathBuf,
    /// The database, where it is not to be an SQLite file in DIR. A new DIR remembers it.
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// How many simulated hosts an empty directory is given.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub(crate) hosts: u16,
    /// How many servers an empty directory is given, beside two in a second project.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(crate) servers: u16,
    /// Give an empty directory the hosts, servers, pools and groups of a fleet file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hosts", "servers"])]
    pub(crate) fleet: Option<PathBuf>,
    /// How fast simulated time passes.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,
}

/// Simulated hosts. They are kept, so that a number counts the first time only.
#[derive(Args, Debug)]
pub(crate) struct SimulatedAgents {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// How many hosts an empty directory is given.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) hosts: u16,
    /// The number of the first of them, in its name.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=50_000))]
    pub(crate) first: u16,
    /// How many servers an empty directory is given, beside two in a second project.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(crate) servers: u16,
    /// How fast simulated time passes.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,
}

/// The one configuration file.
#[derive(Args, Debug)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "GODWIT_CONFIG")]
    pub(crate) config: PathBuf,
}

/// A configuration file, or the directory of `up`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("place").args(["config", "data"])))]
pub(crate) struct Deployment {
    /// The configuration file of the roles [env: GODWIT_CONFIG=].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The directory of `godwit up` [default, without a configuration file: godwit-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Looking after the database.
#[derive(Subcommand, Debug)]
pub(crate) enum Db {
    /// Bring the schema to this version.
    Upgrade(Deployment),
    /// Is the database reachable, and its schema this version's?
    Check {
        #[command(flatten)]
        deployment: Deployment,
        /// Also check every promise that a query can decide.
        #[arg(long)]
        invariants: bool,
    },
    /// What the records and the hypervisors disagree about, with reasons and ages.
    Discrepancies {
        #[command(flatten)]
        deployment: Deployment,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The safe ways out that the records allow. Changes records only, and those only with --yes.
    Repair {
        #[command(flatten)]
        deployment: Deployment,
        /// Do what is offered.
        #[arg(long)]
        yes: bool,
    },
    /// Tell a database that it was restored from a backup, before any conductor works on it:
    /// nothing is then evacuated before every host has shown what it has.
    Restored {
        #[command(flatten)]
        deployment: Deployment,
        /// A host that is dead now, whatever the backup says; may be given several times. No other
        /// is.
        #[arg(long, value_name = "HOST")]
        dead: Vec<HostName>,
        /// How long agents remember what they did: their `agent.pace.remember`. What is unfinished
        /// in a backup that is older than half of it is not gone on with, but for live migrations.
        #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = days())]
        remember: u32,
    },
    /// Bring a Nova's services, hosts, servers and migrations along. The service must be
    /// stopped. What is here already stays, so it can be repeated.
    ImportNova {
        /// A file for each table, TABLE.jsonl or TABLE.jsonl.gz: a row a line, in Nova's columns.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[command(flatten)]
        deployment: Deployment,
    },
}

/// Tokens.
#[derive(Subcommand, Debug)]
pub(crate) enum Token {
    /// Sign a token and print it.
    Issue(Issue),
}

/// Whom a token is for.
#[derive(Args, Debug)]
pub(crate) struct Issue {
    #[command(flatten)]
    pub(crate) deployment: Deployment,
    /// The user: an id, or a name of the development identity [default: admin].
    #[arg(long, value_name = "U")]
    pub(crate) user: Option<String>,
    /// The project: an id, or a name of the development identity [default: the user's, or admin].
    #[arg(long, value_name = "P", conflicts_with = "system")]
    pub(crate) project: Option<String>,
    /// A role; may be given several times [default: what the user is known to have].
    #[arg(long = "role", value_name = "R")]
    pub(crate) roles: Vec<String>,
    /// For the whole system instead of a project.
    #[arg(long)]
    pub(crate) system: bool,
    /// How long the token is good.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) ttl: u64,
}

/// Access rules.
#[derive(Subcommand, Debug)]
pub(crate) enum Policy {
    /// Would a rule allow it? Exits with 0 when allowed, 1 when denied.
    Check(PolicyCheck),
}

/// One question to the access rules.
#[derive(Args, Debug)]
pub(crate) struct PolicyCheck {
    /// The policy file, read over the defaults.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// The full name of the rule.
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: String,
    /// Who asks, such as {"user_id": "u", "project_id": "p", "roles": ["reader"]}.
    #[arg(long, value_name = "JSON")]
    pub(crate) credentials: String,
    /// On what, such as {"project_id": "p"}.
    #[arg(long, value_name = "JSON")]
    pub(crate) target: String,
}

/// Certificates. What is there and good stays as it is, so both may be repeated.
#[derive(Subcommand, Debug)]
#[cfg_attr(
    not(feature = "certificates"),
    allow(dead_code, reason = "it is refused without being looked at")
)]
pub(crate) enum Certs {
    /// Make the authority that signs all others.
    Authority {
        /// Where: ca.pem, which all trust, and ca.key, which makes anybody a part of the service.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// How long it is good.
        #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = days())]
        days: u32,
    },
    /// Make NAME.pem and NAME.key, unless they are good for another 30 days, and copy ca.pem.
    Issue(IssueCertificate),
    /// Replace the authority, in three steps. Behind each comes a round of `issue`.
    #[command(subcommand)]
    Rotate(Rotate),
}

/// Steps towards another authority.
#[derive(Subcommand, Debug)]
#[cfg_attr(
    not(feature = "certificates"),
    allow(dead_code, reason = "it is refused without being looked at")
)]
pub(crate) enum Rotate {
    /// Make the next authority, for all to trust beside the one that signs.
    Begin {
        /// The directory of the authority.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// How long the next one is good.
        #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = days())]
        days: u32,
    },
    /// Let the next authority sign from now on. Everybody has to trust it by then.
    Sign {
        /// The directory of the authority.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Trust the former authority no more. Nobody may have a certificate of it by then.
    Finish {
        /// The directory of the authority.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// Whom a certificate is for.
#[derive(Args, Debug)]
#[cfg_attr(
    not(feature = "certificates"),
    allow(dead_code, reason = "it is refused without being looked at")
)]
pub(crate) struct IssueCertificate {
    /// What its bearer is.
    #[arg(value_enum)]
    pub(crate) role: Bearer,
    /// Which of these: of an agent the host, of a conductor its name.
    pub(crate) name: HostName,
    /// The IP addresses and names by which others reach it.
    #[arg(value_name = "ADDRESS", required = true)]
    pub(crate) addresses: Vec<String>,
    /// The directory of the authority.
    #[arg(long, value_name = "DIR")]
    pub(crate) authority: PathBuf,
    /// Where to put it.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// How long it is good.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = days())]
    pub(crate) days: u32,
}

/// What the bearer of a certificate is.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bearer {
    Conductor,
    Agent,
    /// No part of Godwit, such as the database.
    Server,
}

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=36_500)
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err("a number above zero is wanted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn up_has_the_documented_defaults() {
        let Command::Up(up) = parse("godwit up").unwrap().command else {
            panic!("not `up`");
        };
        assert_eq!(up.listen.to_string(), "127.0.0.1:8774");
        assert_eq!(up.metrics.to_string(), "127.0.0.1:9774");
        assert_eq!(up.data, PathBuf::from("godwit-data"));
        assert_eq!(up.database, None);
        assert_eq!((up.hosts, up.servers), (3, 12));
        assert!((up.speed - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn every_documented_line_is_accepted() {
        for line in [
            "godwit up --listen 127.0.0.1:0 --metrics 127.0.0.1:0 --data d --hosts 0 --servers 0 --speed 20",
            "godwit up --data d --database postgres://godwit@db/godwit",
            "godwit up --data d --fleet fleet.yaml",
            "godwit api --config f",
            "godwit conductor --config f",
            "godwit agent --config f",
            "godwit simulated-agents --config f --hosts 10000 --first 20001 --servers 0 --speed 2",
            "godwit doctor --config f",
            "godwit db upgrade --config f",
            "godwit db upgrade --data d",
            "godwit db check --invariants --config f",
            "godwit db check --data d",
            "godwit db discrepancies --json --data d",
            "godwit db repair --config f",
            "godwit db repair --yes --data d",
            "godwit db restored --config f",
            "godwit db restored --dead host-1 --dead host-2 --remember 14 --data d",
            "godwit db import-nova dump --config f",
            "godwit db import-nova dump --data d",
            "godwit token issue --data d --user u --project p --role a --role b --ttl 60",
            "godwit token issue --config f --system",
            "godwit policy check --policy f --rule r --credentials {} --target {}",
            "godwit certs authority d --days 30",
            "godwit certs issue agent host-1 192.0.2.1 h.example.org --authority d --out o --days 9",
            "godwit certs issue server database database --authority d --out o",
            "godwit certs rotate begin d --days 30",
            "godwit certs rotate sign d",
            "godwit certs rotate finish d",
            "godwit drain h",
            "godwit drain h --check --json --os-cloud c",
            "godwit --os-cloud c drain h --plan-only --immovable shutdown_restart",
            "godwit drain h --yes --wait --timeout 9 --reason r --holder o --return-home idle",
            "godwit drain h -y --deadline 2030-01-31T18:00:00Z",
            "godwit undrain h --return-home now --wait",
            "godwit plan create --server a b --server c --fallback cold --affinity best_effort",
            "godwit plan create --server a --destination h --priority user --no-wait",
            "godwit plan create --server a b c --before a b --before b c --not-together a,c --at-most 1,a,b",
            "godwit plan create --host h --enter-maintenance --allow-partial --valid-seconds 60",
            "godwit plan create --hosts a b c --max-unavailable 2 --json",
            "godwit plan create --pool p --to q",
            "godwit plan show 0cd6de88-da98-4f7b-b896-794c5f1cfecd",
            "godwit plan list --state ready --type host --limit 5",
            "godwit plan run 0cd6de88-da98-4f7b-b896-794c5f1cfecd --wait",
            "godwit plan remake 0cd6de88-da98-4f7b-b896-794c5f1cfecd",
            "godwit plan delete 0cd6de88-da98-4f7b-b896-794c5f1cfecd",
            "godwit run list --json",
            "godwit run show 0cd6de88-da98-4f7b-b896-794c5f1cfecd",
            "godwit run cancel 0cd6de88-da98-4f7b-b896-794c5f1cfecd --abort-running",
            "godwit run skip 0cd6de88-da98-4f7b-b896-794c5f1cfecd 0cd6de88-da98-4f7b-b896-794c5f1cfecd",
            "godwit run host-done 0cd6de88-da98-4f7b-b896-794c5f1cfecd h",
            "godwit candidates vm-1",
            "godwit why-not vm-1 h --json",
            "godwit why-not h",
            "godwit watch vm-1 --timeout 60",
            "godwit hosts --os-region-name r --os-interface internal --os-cacert f",
            "godwit events --follow --subject host/h --types host.* --after 7",
            "godwit plan simulate --fleet fleet.yaml --plan {} --json",
        ] {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn every_command_on_its_page_is_accepted() {
        let page = include_str!("../../../docs/command-line.md");
        let commands: Vec<&str> = page
            .lines()
            .filter(|it| it.starts_with("godwit "))
            .collect();
        assert!(commands.len() > 20, "{commands:?}");
        for command in commands {
            let uuid = "0cd6de88-da98-4f7b-b896-794c5f1cfecd";
            let line = command.replace("\"new disks\"", "disks");
            let words = line.split_whitespace().map(|word| match word {
                "PLAN" | "RUN" | "OPERATION" => uuid,
                word => word,
            });
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{command}: {error}"));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "godwit",
            "godwit down",
            "godwit up --speed 0",
            "godwit up --speed nan",
            "godwit up --listen 8774",
            "godwit up --hosts -1",
            "godwit up --fleet fleet.yaml --hosts 3",
            "godwit up --fleet fleet.yaml --servers 3",
            "godwit simulated-agents --config f --hosts 0",
            "godwit db upgrade --config f --data d",
            "godwit db restored --dead a/b",
            "godwit db import-nova",
            "godwit db import-nova dump --config f --data d",
            "godwit token issue --system --project p",
            "godwit token issue --ttl 0",
            "godwit policy check --policy f",
            "godwit certs authority d --days 0",
            "godwit certs issue agent host-1 --authority d --out o",
            "godwit certs issue king arthur 192.0.2.1 --authority d --out o",
            "godwit certs issue agent a/b 192.0.2.1 --authority d --out o",
            "godwit drain",
            "godwit drain a/b",
            "godwit drain h --check --plan-only",
            "godwit drain h --wait --timeout 0",
            "godwit drain h --immovable stop",
            "godwit plan create",
            "godwit plan create --server a --host h",
            "godwit plan create --destination h",
            "godwit plan create --hosts a b",
            "godwit plan create --max-unavailable 1 --host h",
            "godwit plan create --pool p",
            "godwit plan create --host h --to q",
            "godwit plan create --host h --destination g",
            "godwit plan create --server a --enter-maintenance",
            "godwit plan show 7",
            "godwit run skip 0cd6de88-da98-4f7b-b896-794c5f1cfecd 7",
            "godwit why-not",
            "godwit watch",
        ] {
            parse(line).expect_err(line);
        }
    }
}

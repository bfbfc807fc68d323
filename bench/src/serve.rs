//! The measured process: the API as the binary serves it, and beside it bare routes.
//!
//! A bare route is the most that actix-web can do: no token, no policy, no database, the bytes
//! ready. Bare routes have a server of their own in the same process, with as many workers.
//!
//! ```text
//!   stdout  address of the API ───►
//!   stdin                      ◄─── what each bare route shall answer in turn, a JSON list of
//!                                   lists of texts; or the end: there are to be none
//!   stdout  address of the bare routes, /0, /1, … ───►
//!   stdin                      ◄─── end: stop
//! ```

use std::cell::Cell;
use std::io::{BufRead, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result};
use godwit_api::auth::Authenticator;
use godwit_api::auth::jwt::JwtAuthenticator;
use godwit_api::auth::keys::KeySet;
use godwit_api::auth::keystone::KeystoneAuthenticator;
use godwit_api::auth::revocation::Revocations;
use godwit_api::config::{ApiConfig, AuthConfig};
use godwit_api::ids::RandomIds;
use godwit_api::observability::HttpMetrics;
use godwit_api::policy::PolicySource;
use godwit_api::{ApiState, Parts};
use godwit_store::{Store, StoreOptions};
use prometheus::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::SystemClock;

/// What is to be served.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// The database.
    #[arg(long)]
    pub(crate) database: String,
    /// A file with the section `auth` of a configuration, as JSON.
    #[arg(long)]
    pub(crate) auth: PathBuf,
}

/// Serves until standard input ends.
pub(crate) fn run(serve: &Serve) -> Result<()> {
    log()?;
    actix_web::rt::System::new().block_on(async {
        let (address, server) = godwit_api::serve(listener()?, state(serve).await?, None)?;
        actix_web::rt::spawn(server);
        say(address)?;
        let said = hear().await?;
        if said.is_empty() {
            return Ok(());
        }
        let bodies: Vec<Vec<String>> = serde_json::from_str(&said)?;
        let (address, server) = bare(listener()?, bodies)?;
        actix_web::rt::spawn(server);
        say(address)?;
        hear().await.map(drop)
    })
}

fn listener() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
}

fn say(address: SocketAddr) -> Result<()> {
    println!("{address}");
    Ok(std::io::stdout().flush()?)
}

/// The next line of standard input; empty at its end.
async fn hear() -> Result<String> {
    web::block(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    })
    .await?
    .context("cannot read standard input")
}

/// Logs as a service does by default; as there, `GODWIT_LOG` changes what is logged.
fn log() -> Result<()> {
    let filter = std::env::var("GODWIT_LOG").unwrap_or_else(|_| "info".to_owned());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(true);
    tracing_subscriber::registry()
        .with(filter.parse::<Targets>()?)
        .with(lines)
        .try_init()?;
    Ok(())
}

/// The parts of the API, with the defaults of the configuration.
async fn state(serve: &Serve) -> Result<ApiState> {
    let options = StoreOptions {
        pool_size: 16,
        ..StoreOptions::default()
    };
    let auth: AuthConfig = serde_json::from_slice(&std::fs::read(&serve.auth)?)?;
    let clock = Arc::new(SystemClock);
    let parts = Parts {
        store: Store::open(&serve.database, options).await?,
        policy: PolicySource::defaults(),
        authenticator: authenticator(&auth)?,
        clock,
        ids: Arc::new(RandomIds),
        wake: Arc::new(|| ()),
        metrics: HttpMetrics::register(&Registry::new())?,
    };
    Ok(ApiState::new(ApiConfig::default(), &auth, parts)?)
}

fn authenticator(auth: &AuthConfig) -> Result<Arc<dyn Authenticator>> {
    let clock = Arc::new(SystemClock);
    Ok(match &auth.keystone {
        Some(keystone) => Arc::new(KeystoneAuthenticator::new(
            keystone,
            KeySet::load_any(auth)?,
            auth.cache_size,
            clock,
        )?),
        None => Arc::new(JwtAuthenticator::new(
            KeySet::load(auth)?,
            auth.cache_size,
            clock,
            Arc::new(Revocations::default()),
        )),
    })
}

fn bare(
    listener: TcpListener,
    bodies: Vec<Vec<String>>,
) -> Result<(SocketAddr, actix_web::dev::Server)> {
    let address = listener.local_addr()?;
    let bytes =
        |bodies: Vec<String>| -> Vec<Bytes> { bodies.into_iter().map(Bytes::from).collect() };
    let bodies: Vec<Vec<Bytes>> = bodies.into_iter().map(bytes).collect();
    let app = move || {
        bodies
            .iter()
            .enumerate()
            .fold(App::new(), |app, (number, bodies)| {
                let turns = Rc::new(Turns::new(bodies.clone()));
                let answer = move || {
                    let json = (
                        header::CONTENT_TYPE,
                        header::HeaderValue::from_static("application/json"),
                    );
                    std::future::ready(HttpResponse::Ok().insert_header(json).body(turns.next()))
                };
                app.route(&format!("/{number}"), web::get().to(answer))
            })
    };
    let server = HttpServer::new(app).disable_signals().listen(listener)?;
    Ok((address, server.run()))
}

/// Bodies that a worker answers in turn.
struct Turns {
    bodies: Vec<Bytes>,
    turn: Cell<usize>,
}

impl Turns {
    const fn new(bodies: Vec<Bytes>) -> Self {
        Self {
            bodies,
            turn: Cell::new(0),
        }
    }

    fn next(&self) -> Bytes {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.bodies.len());
        self.bodies[turn].clone()
    }
}

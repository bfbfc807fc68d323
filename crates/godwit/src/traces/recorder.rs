//! What makes records of spans, and what sends them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use reqwest::Certificate;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Layer;

use crate::config::TracesConfig;
use crate::version::VERSION;

/// How long the collector may take for what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the last of it may take, when the process ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// The beginning of the names of our crates, and of nobody else's.
const OURS: &str = "godwit";

#[derive(Debug)]
pub(super) struct Recorder {
    provider: SdkTracerProvider,
}

impl Recorder {
    pub(super) fn new(config: &TracesConfig, service: &'static str) -> Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client(config)?)
            .with_endpoint(place(config))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build()
            .context("`traces`")?;
        let batches = BatchConfigBuilder::default()
            .with_scheduled_delay(config.interval)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", VERSION))
            .build();
        // Whoever begins a trace says whether it is recorded, and all others go by that.
        let first = Sampler::TraceIdRatioBased(config.sampled);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(first)))
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// What sees spans begin and end.
    pub(super) fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        layer(self.provider.tracer(OURS))
    }

    pub(super) fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FAREWELL) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Spans know their parents from the log's own, and need no second way of telling which we are in.
fn layer(tracer: SdkTracer) -> impl Layer<Registry> + Send + Sync {
    let ours = Targets::new().with_target(OURS, LevelFilter::INFO);
    tracing_opentelemetry::layer::<Registry>()
        .with_tracer(tracer)
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_filter(ours)
}

/// Sends nothing at all, which a collector takes.
///
/// # Errors
/// It does not answer, or does not take it. Blocks meanwhile.
pub(crate) fn try_out(config: &TracesConfig) -> Result<()> {
    let call = client(config)?
        .post(place(config))
        .header("content-type", "application/x-protobuf")
        .body(Vec::<u8>::new());
    call.send()?.error_for_status()?;
    Ok(())
}

fn place(config: &TracesConfig) -> String {
    format!("{}/v1/traces", config.endpoint.trim_end_matches('/'))
}

/// A client that goes where the configuration says, whatever the environment says of proxies.
fn client(config: &TracesConfig) -> Result<Client> {
    // reqwest is built without any cryptography. Another client may have installed the same before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(PATIENCE);
    if let Some(path) = &config.ca {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .with_context(|| format!("{} holds no certificates", path.display()))?;
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().context("the collector cannot be called")
}

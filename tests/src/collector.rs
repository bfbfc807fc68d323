//! An OpenTelemetry collector, as far as tests need one: it is sent spans by OTLP over HTTP, and
//! keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;

/// A running collector. What it was sent, it keeps as long as somebody has it.
#[derive(Clone, Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

/// A span that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// What process it is of, such as `godwit-api`.
    pub service: String,
    /// What kind of span it is.
    pub name: String,
    /// Its trace, in hexadecimal.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The span that it is below; empty at the top of a trace.
    pub parent: String,
    /// What else is said of it, as far as that is text.
    pub attributes: BTreeMap<String, String>,
}

impl Span {
    /// What it is, such as `godwit-conductor effect prepare`.
    pub fn title(&self) -> String {
        let kinds = ["effect", "call", "step", "method"];
        let what = kinds.iter().find_map(|kind| self.attributes.get(*kind));
        let parts = [Some(&self.service), Some(&self.name), what];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join(" ")
    }
}

/// What belongs together.
#[derive(Clone, Debug)]
pub struct Trace(Vec<Span>);

impl Trace {
    /// What there is in it.
    pub fn titles(&self) -> BTreeSet<String> {
        self.0.iter().map(Span::title).collect()
    }

    /// The titles of a span and of all that it is below, up to the top of the trace.
    pub fn ancestry(&self, title: &str) -> Vec<String> {
        let mut next = self.0.iter().find(|span| span.title() == title);
        let mut titles = vec![];
        while let Some(span) = next
            && titles.len() < self.0.len()
        {
            titles.push(span.title());
            next = self.0.iter().find(|it| it.id == span.parent);
        }
        titles
    }

    /// Every span but one is below another one of the same trace.
    ///
    /// # Errors
    /// It says which are not.
    pub fn is_whole(&self) -> Result<()> {
        let ids: BTreeSet<&str> = self.0.iter().map(|span| span.id.as_str()).collect();
        let tops = self.0.iter().filter(|span| span.parent.is_empty());
        let tops: Vec<String> = tops.map(Span::title).collect();
        ensure!(tops.len() == 1, "at the top are {tops:?}");
        let lost = self
            .0
            .iter()
            .filter(|span| !span.parent.is_empty() && !ids.contains(span.parent.as_str()));
        let lost: Vec<String> = lost.map(Span::title).collect();
        ensure!(lost.is_empty(), "below nothing known are {lost:?}");
        Ok(())
    }
}

impl Collector {
    /// Starts one; it serves until the test ends.
    ///
    /// # Errors
    /// It cannot listen.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let collector = Self {
            address: listener.local_addr()?,
            spans: Arc::default(),
        };
        let serving = collector.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || {
                    if let Err(error) = serving.serve(connection) {
                        eprintln!("the collector was sent something odd: {error:#}");
                    }
                });
            }
        });
        Ok(collector)
    }

    /// What goes into a configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that it was sent so far.
    pub fn spans(&self) -> Vec<Span> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.clone()
    }

    /// What it was sent of the trace that a span is of.
    pub fn trace_of(&self, span: &Span) -> Trace {
        let mut spans = self.spans();
        spans.retain(|it| it.trace == span.trace);
        Trace(spans)
    }

    /// One request a connection.
    fn serve(&self, connection: TcpStream) -> Result<()> {
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        ensure!(line.starts_with("POST /v1/traces "), "{line:?}");
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let sent = ExportTraceServiceRequest::decode(&*body).context("no OTLP")?;
        self.keep(sent);
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\
                      content-length: 0\r\nconnection: close\r\n\r\n";
        Ok(reader.get_mut().write_all(answer.as_bytes())?)
    }

    fn keep(&self, sent: ExportTraceServiceRequest) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in sent.resource_spans {
            let about = resource.resource.map(|it| texts(it.attributes));
            let service = about.unwrap_or_default().remove("service.name");
            let service = service.unwrap_or_default();
            let sent = resource.scope_spans.into_iter().flat_map(|it| it.spans);
            spans.extend(sent.map(|span| Span {
                service: service.clone(),
                name: span.name,
                trace: hexadecimal(&span.trace_id),
                id: hexadecimal(&span.span_id),
                parent: hexadecimal(&span.parent_span_id),
                attributes: texts(span.attributes),
            }));
        }
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let texts = attributes.into_iter().filter_map(|it| {
        let Some(Value::StringValue(text)) = it.value?.value else {
            return None;
        };
        Some((it.key, text))
    });
    texts.collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

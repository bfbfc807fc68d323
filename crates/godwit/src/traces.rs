//! Logging, and what is recorded beside it: with the section `traces`, what this process does, as
//! spans that an OpenTelemetry collector is sent.
//!
//! Spans are those of the log, of our own crates, from `info` on; whatever is logged within one is
//! an event of it. Nobody waits for the collector: a thread sends what has ended now and then, and
//! what it cannot get rid of in time is dropped, and said to be.

#[cfg(feature = "traces")]
mod recorder;

use anyhow::Result;

use crate::config::Config;
use crate::logging;

#[cfg(feature = "traces")]
pub(crate) use self::recorder::try_out;

/// What records, if something does.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    #[cfg(feature = "traces")]
    recorder: Option<recorder::Recorder>,
}

impl Traces {
    /// Starts logging, once a process, and recording where the configuration asks for it. `service`
    /// is what this process is called in traces. To be called before there is a runtime.
    #[cfg(feature = "traces")]
    pub(crate) fn start(config: &Config, service: &'static str) -> Result<Self> {
        let Some(section) = &config.traces else {
            logging::start(&config.log)?;
            return Ok(Self::default());
        };
        let recorder = recorder::Recorder::new(section, service)?;
        logging::start_beside(&config.log, recorder.layer())?;
        Ok(Self {
            recorder: Some(recorder),
        })
    }

    /// Starts logging. Who wants traces, and has a program that cannot, is not to find out by
    /// silence.
    #[cfg(not(feature = "traces"))]
    pub(crate) fn start(config: &Config, _: &'static str) -> Result<Self> {
        anyhow::ensure!(
            config.traces.is_none(),
            "this godwit was built without traces, which the configuration asks for; build it with \
             `cargo build --release --features traces`"
        );
        logging::start(&config.log)?;
        Ok(Self::default())
    }

    /// Sends what has ended and was not sent. To be called when there is no runtime any more.
    #[cfg(feature = "traces")]
    pub(crate) fn end(self) {
        if let Some(recorder) = self.recorder {
            recorder.end();
        }
    }

    /// There is nothing to be sent.
    #[cfg(not(feature = "traces"))]
    pub(crate) fn end(self) {}
}

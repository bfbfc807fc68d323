//! RabbitMQ: a connection that declares what oslo.messaging declares, and publishes as it does, but
//! that waits until the broker says that it has a message.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use lapin::auth::AuthProvider;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{FieldTable, LongString, ShortString};
use lapin::uri::AMQPUri;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
    PublisherConfirm,
};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::address::{Address, SetupError};
use crate::config::Config;
use crate::sockets::{Secured, Sockets};
use crate::table::Priority;

/// kombu's `delivery_mode` for what the broker keeps on its disk, which oslo.messaging sends always.
const PERSISTENT: u8 = 2;

/// How long a broker may take to end a connection.
const FAREWELL: Duration = Duration::from_secs(2);

/// The broker does not have what it was sent, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The connection or the channel failed.
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
    /// It has not answered in time.
    #[error("the broker has not answered in time")]
    TimedOut,
    /// It says that it does not have the message.
    #[error("the broker has refused a message")]
    Refused,
    /// The password cannot be read any more.
    #[error("the password in {path} cannot be read")]
    Password {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Says who we are. lapin's own takes the password from the address, which whoever has it may log.
struct Plain {
    user: String,
    password: String,
}

impl AuthProvider for Plain {
    fn mechanism(&self) -> ShortString {
        "PLAIN".into()
    }

    fn auth_starter(&self) -> Result<LongString, String> {
        Ok(format!("\0{}\0{}", self.user, self.password).into())
    }
}

/// A broker, to be connected to.
pub struct Broker {
    uri: AMQPUri,
    secured: Option<Secured>,
    password_file: Option<PathBuf>,
    exchange: ShortString,
    topics: Vec<String>,
    durable: bool,
    timeout: Duration,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}

impl Broker {
    /// The broker of a configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// [`SetupError`]: it could never be connected to.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let Address { uri, secured } = Address::new(config)?;
        if let Some(path) = &config.password_file {
            password(path).map_err(|source| SetupError::Password {
                path: path.clone(),
                source,
            })?;
        }
        Ok(Self {
            uri,
            secured,
            password_file: config.password_file.clone(),
            exchange: config.exchange.as_str().into(),
            topics: config.topics.clone(),
            durable: config.durable,
            timeout: config.timeout,
        })
    }

    /// Connects, and declares the exchange and, as oslo.messaging does, a queue for each topic and
    /// priority: what is told before anybody listens waits there.
    ///
    /// # Errors
    /// [`BrokerError`]
    pub(crate) async fn connect(&self) -> Result<Link, BrokerError> {
        let connected = timeout(self.timeout, async {
            let link = self.open().await?;
            self.declare(&link.channel).await?;
            Ok::<_, BrokerError>(link)
        });
        connected.await.unwrap_or(Err(BrokerError::TimedOut))
    }

    /// Tries whether the broker lets us in; changes nothing there.
    ///
    /// # Errors
    /// [`BrokerError`]
    pub async fn try_out(&self) -> Result<(), BrokerError> {
        let opened = timeout(self.timeout, self.open()).await;
        opened.unwrap_or(Err(BrokerError::TimedOut))?.close().await;
        Ok(())
    }

    async fn open(&self) -> Result<Link, BrokerError> {
        let auth = Plain {
            user: self.uri.authority.userinfo.username.clone(),
            password: match &self.password_file {
                Some(path) => password(path).map_err(|source| BrokerError::Password {
                    path: path.clone(),
                    source,
                })?,
                None => String::new(),
            },
        };
        let properties = ConnectionProperties::default()
            .with_connection_name("godwit notifications".into())
            .with_auth_provider(auth);
        // Also of one that is given up while it comes about.
        let cut = CancellationToken::new();
        let end = cut.clone().drop_guard();
        let sockets = Sockets::new(self.secured.clone(), self.timeout, cut);
        let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), sockets));
        let connection =
            Connection::connect_uri_with_runtime(self.uri.clone(), properties, runtime).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Link {
            channel,
            connection,
            exchange: self.exchange.clone(),
            topics: self.topics.clone(),
            _end: end,
        })
    }

    async fn declare(&self, channel: &Channel) -> Result<(), BrokerError> {
        let options = ExchangeDeclareOptions {
            durable: self.durable,
            ..ExchangeDeclareOptions::default()
        };
        let exchange = self.exchange.clone();
        channel
            .exchange_declare(
                exchange,
                ExchangeKind::Topic,
                options,
                FieldTable::default(),
            )
            .await?;
        let options = QueueDeclareOptions {
            durable: self.durable,
            ..QueueDeclareOptions::default()
        };
        for topic in &self.topics {
            for priority in Priority::ALL {
                let name = routing_key(topic, priority);
                channel
                    .queue_declare(name.clone(), options, FieldTable::default())
                    .await?;
                channel
                    .queue_bind(
                        name.clone(),
                        self.exchange.clone(),
                        name,
                        QueueBindOptions::default(),
                        FieldTable::default(),
                    )
                    .await?;
            }
        }
        Ok(())
    }
}

fn routing_key(topic: &str, priority: Priority) -> ShortString {
    format!("{topic}.{}", priority.key()).into()
}

/// What is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub(crate) priority: Priority,
    pub(crate) body: String,
}

/// A connection on which messages are confirmed. Ends with the value.
pub(crate) struct Link {
    channel: Channel,
    // The channel's, which ends with it.
    connection: Connection,
    exchange: ShortString,
    topics: Vec<String>,
    _end: DropGuard,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// Is it open, as far as is known?
    pub(crate) fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Ends it as one does, if the broker goes along.
    pub(crate) async fn close(self) {
        let closed = self.connection.close(200, "OK".into());
        let _ = timeout(FAREWELL, closed).await;
    }

    /// Sends messages in their order; says of how many of the first ones the broker has confirmed
    /// that it has them, and why not of all.
    pub(crate) async fn publish(
        &self,
        messages: &[Message],
        deadline: Instant,
    ) -> (usize, Result<(), BrokerError>) {
        let mut confirmed = 0;
        let sent = timeout_at(deadline, self.publish_all(messages, &mut confirmed)).await;
        (confirmed, sent.unwrap_or(Err(BrokerError::TimedOut)))
    }

    async fn publish_all(
        &self,
        messages: &[Message],
        confirmed: &mut usize,
    ) -> Result<(), BrokerError> {
        let mut waiting = Vec::with_capacity(messages.len());
        let mut failed = None;
        for message in messages {
            match self.send(message).await {
                Ok(confirms) => waiting.push(confirms),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        for confirms in waiting {
            for confirm in confirms {
                match confirm.await? {
                    Confirmation::Ack(_) => {}
                    Confirmation::Nack(_) | Confirmation::NotRequested => {
                        return Err(BrokerError::Refused);
                    }
                }
            }
            *confirmed += 1;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Sends a message to every topic.
    async fn send(&self, message: &Message) -> Result<Vec<PublisherConfirm>, BrokerError> {
        let mut confirms = Vec::with_capacity(self.topics.len());
        for topic in &self.topics {
            let confirm = self
                .channel
                .basic_publish(
                    self.exchange.clone(),
                    routing_key(topic, message.priority),
                    BasicPublishOptions::default(),
                    message.body.as_bytes(),
                    properties(),
                )
                .await?;
            confirms.push(confirm);
        }
        Ok(confirms)
    }
}

/// As oslo.messaging's driver sends them, by kombu.
fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(PERSISTENT)
        .with_priority(0)
}

fn password(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_from_its_file_and_shown_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\r\n").unwrap();
        assert_eq!(password(file.path()).unwrap(), "hunter2");
        let mut config = Config::at("amqp://godwit@mq".to_owned());
        config.password_file = Some(file.path().to_owned());
        let shown = format!("{config:?} {:?}", Broker::new(&config).unwrap());
        assert!(!shown.contains("hunter2"));
        let plain = Plain {
            user: "godwit".to_owned(),
            password: "hunter2".to_owned(),
        };
        let said = plain.auth_starter().unwrap();
        assert_eq!(said.as_bytes(), b"\0godwit\0hunter2");
        config.password_file = Some("/nonexistent/password".into());
        let refused = Broker::new(&config).unwrap_err();
        assert!(matches!(refused, SetupError::Password { .. }), "{refused}");
    }
}

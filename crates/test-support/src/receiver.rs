//! Somebody who wants to be called: it keeps what it was called with as it came, and answers as a test
//! wants, or not at all.
//!
//! It serves on the runtime that it was started on, for as long as that runs.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::wait::wait_for;

/// How long calls are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// A call.
#[derive(Clone, Debug)]
pub struct Called {
    /// The path and the query that were called.
    pub path: String,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
    /// As it came.
    pub body: String,
    /// When all of it was there.
    pub at: Instant,
}

impl Called {
    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What becomes of a call.
#[derive(Clone, Debug)]
enum Manner {
    /// It is answered with this: a status, its phrase and perhaps more headers.
    Answer(String),
    /// It is not answered before the manner changes.
    Hang,
}

/// A receiver that listens.
#[derive(Clone, Debug)]
pub struct Receiver {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Called>>>,
    manner: Arc<watch::Sender<Manner>>,
}

/// A receiver that is not there: whoever calls it is refused. Its address stays its own.
#[derive(Debug)]
pub struct Absent(TcpSocket);

fn url_of(address: SocketAddr) -> String {
    format!("http://{address}/hook")
}

impl Absent {
    /// One that may come later.
    ///
    /// # Errors
    /// There is no free port.
    pub fn new() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // It is bound, so nobody else gets the port, and does not listen.
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self(socket))
    }

    /// Where it is not.
    ///
    /// # Errors
    /// The system does not say.
    pub fn url(&self) -> Result<String> {
        Ok(url_of(self.0.local_addr()?))
    }

    /// Listens from now on.
    ///
    /// # Errors
    /// It cannot.
    pub fn returns(self) -> Result<Receiver> {
        Receiver::serving(self.0.listen(BACKLOG)?)
    }
}

impl Receiver {
    /// Listens at a free port of the loopback address, and answers with 204.
    ///
    /// # Errors
    /// There is none.
    pub fn start() -> Result<Self> {
        Absent::new()?.returns()
    }

    fn serving(listener: TcpListener) -> Result<Self> {
        let receiver = Self {
            address: listener.local_addr()?,
            calls: Arc::default(),
            manner: Arc::new(watch::Sender::new(Manner::Answer("204 Fine".to_owned()))),
        };
        let this = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                // A caller that hangs up has nothing to complain of.
                tokio::spawn(async move { this.serve(stream).await.ok() });
            }
        });
        Ok(receiver)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        url_of(self.address)
    }

    /// The port of that.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers with this from now on, such as `500 Broken`; also the calls that hang.
    pub fn answers(&self, status: &str) {
        self.manner.send_replace(Manner::Answer(status.to_owned()));
    }

    /// Answers nobody from now on, and lets them wait.
    pub fn hangs(&self) {
        self.manner.send_replace(Manner::Hang);
    }

    /// All calls, in the order in which they came.
    pub fn calls(&self) -> Vec<Called> {
        self.lock().clone()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Waits until there were so many.
    ///
    /// # Errors
    /// There were fewer in time.
    pub async fn called(&self, times: usize) -> Result<Vec<Called>> {
        wait_for("calls", PATIENCE, async || {
            let count = self.count();
            ensure!(count >= times, "there were {count}");
            Ok(Some(self.calls()))
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Called>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one call after the other from a connection, until it ends.
    async fn serve(&self, mut stream: TcpStream) -> Result<()> {
        let mut manner = self.manner.subscribe();
        let mut read = Vec::new();
        loop {
            let called = next(&mut stream, &mut read).await?;
            self.lock().push(called);
            let answered = |manner: &Manner| matches!(manner, Manner::Answer(_));
            let status = match &*manner.wait_for(answered).await? {
                Manner::Answer(status) => status.clone(),
                Manner::Hang => continue,
            };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// The next call of a connection. What came behind it stays in `read`.
async fn next(stream: &mut TcpStream, read: &mut Vec<u8>) -> Result<Called> {
    loop {
        if let Some((called, length)) = parse(read)? {
            read.drain(..length);
            return Ok(called);
        }
        let count = stream.read_buf(read).await?;
        ensure!(count > 0, "the connection has ended");
    }
}

/// A call, and how long it is, once all of it is there.
fn parse(read: &[u8]) -> Result<Option<(Called, usize)>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(head) = read.windows(END.len()).position(|it| it == END) else {
        return Ok(None);
    };
    let mut lines = std::str::from_utf8(&read[..head])?.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").context("no length")?;
    let (begin, length) = (head + END.len(), length.parse::<usize>()?);
    let Some(body) = read.get(begin..begin + length) else {
        return Ok(None);
    };
    let called = Called {
        path: path.context("no path")?.to_owned(),
        headers,
        body: std::str::from_utf8(body)?.to_owned(),
        at: Instant::now(),
    };
    Ok(Some((called, begin + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_kept_as_they_come_and_answered_as_wanted() {
        let absent = Absent::new().unwrap();
        let (url, client) = (absent.url().unwrap(), crate::http::client());
        let call = async |body: &'static str| {
            let request = client.post(&url).header("X-Number", body).body(body);
            request.send().await.map(|answer| answer.status().as_u16())
        };
        assert!(call("0").await.unwrap_err().is_connect());
        let receiver = absent.returns().unwrap();
        assert_eq!(receiver.url(), url);
        assert_eq!(call("1").await.unwrap(), 204);
        receiver.answers("500 Broken");
        assert_eq!(call("2").await.unwrap(), 500);
        receiver.hangs();
        let (status, ()) = tokio::join!(call("3"), async {
            receiver.called(3).await.unwrap();
            receiver.answers("200 Late");
        });
        assert_eq!(status.unwrap(), 200);
        let calls = receiver.calls();
        let bodies: Vec<_> = calls.iter().map(|it| it.body.as_str()).collect();
        assert_eq!(bodies, ["1", "2", "3"]);
        assert!(calls.iter().all(|it| it.header("x-number") == it.body));
    }

    #[test]
    fn a_call_is_read_once_all_of_it_is_there() {
        let call = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST";
        for end in 0..call.len() - 4 {
            let part = parse(&call[..end]).unwrap();
            assert!(part.is_none(), "{end}");
        }
        let (called, length) = parse(call).unwrap().unwrap();
        let read = (called.path.as_str(), called.body.as_str(), length);
        assert_eq!(read, ("/", "abc", call.len() - 4));
    }
}

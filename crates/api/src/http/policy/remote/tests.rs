//! Questions as services receive them, and answers as they give them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use godwit_policy::{Credentials, Target};
use serde_json::{Value, json};

use super::*;

/// A service that gives one answer, whatever it is asked; and what it was asked.
fn service(answer: &'static str) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, questions) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut text, mut chunk) = (String::new(), [0; 4_096]);
        let whole = |text: &str| {
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length = head.to_lowercase();
            let (_, length) = length.split_once("content-length: ")?;
            let length: usize = length.lines().next()?.parse().ok()?;
            (body.len() >= length).then_some(())
        };
        while whole(&text).is_none() {
            let count = stream.read(&mut chunk).unwrap();
            text.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
        }
        sender.send(text).unwrap();
        let _ = stream.write_all(answer.as_bytes());
        // Held open until the test is over, for the caller to give up.
        let _ = stream.read(&mut chunk);
    });
    (address, questions)
}

fn ask(config: &RemoteConfig, address: SocketAddr) -> Result<String, RemoteFailure> {
    let credentials = Credentials::from_json(json!({"user_id": "ü"})).unwrap();
    let target = Target::empty().with("project_id", json!("p"));
    RemoteCaller::new(config).unwrap().post(&RemoteQuestion {
        url: &format!("http://{address}/check?a=b"),
        rule: "a:rule",
        target: &target,
        credentials: &credentials,
    })
}

#[test]
fn a_form_of_json_unless_it_shall_be_json() {
    const YES: &str = "HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nTrue";
    for (content_type, name) in [
        (ContentType::Form, "application/x-www-form-urlencoded"),
        (ContentType::Json, "application/json"),
    ] {
        let (address, questions) = service(YES);
        let config = RemoteConfig {
            content_type,
            ..RemoteConfig::default()
        };
        assert_eq!(
            ask(&config, address).unwrap(),
            "True",
            "whatever the status"
        );
        let question = questions.recv().unwrap();
        assert!(question.starts_with("POST /check?a=b HTTP/1.1\r\n"));
        assert!(question.contains(&format!("content-type: {name}\r\n")));
        let body = question.split_once("\r\n\r\n").unwrap().1;
        let read: Value = match content_type {
            ContentType::Json => serde_json::from_str(body).unwrap(),
            ContentType::Form => url::form_urlencoded::parse(body.as_bytes())
                .map(|(name, json)| {
                    let value = serde_json::from_str::<Value>(&json).unwrap();
                    (name.into_owned(), value)
                })
                .collect(),
        };
        let expected = json!({
            "rule": "a:rule",
            "target": {"project_id": "p"},
            "credentials": {"user_id": "ü"},
        });
        assert_eq!(read, expected);
    }
}

#[test]
fn without_an_answer_there_is_none() {
    let config = RemoteConfig {
        timeout: Duration::from_millis(200),
        ..RemoteConfig::default()
    };
    let begin = Instant::now();
    let (silent, _questions) = service("");
    ask(&config, silent).unwrap_err();
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let gone = nobody.local_addr().unwrap();
    drop(nobody);
    ask(&config, gone).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn it_may_be_dropped_anywhere() {
    drop(RemoteCaller::new(&RemoteConfig::default()).unwrap());
}

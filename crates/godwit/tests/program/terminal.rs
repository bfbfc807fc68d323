//! What somebody at a terminal sees: a question, bars, colours, and what Ctrl-C does.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use console::strip_ansi_codes;
use nix::errno::Errno;
use pty_process::{Pty, Size};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;

use crate::process::command_in;
use crate::scripted::{PLAN, RUN, SERVER, Service, maintenance, run};

const PATIENCE: Duration = Duration::from_secs(60);
const MIGRATION: &str = "33d6de88-da98-4f7b-b896-794c5f1cfecd";
const MIB: u64 = 1 << 20;
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// A terminal with `godwit` in it.
pub(crate) struct Terminal {
    pty: Pty,
    child: Child,
    shown: Vec<u8>,
}

impl Terminal {
    pub(crate) fn start(
        folder: &Path,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Result<Self> {
        let mut command = command_in(folder, variables, arguments);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            if !variables.iter().any(|(given, _)| *given == name) {
                command.env_remove(name);
            }
        }
        if !variables.iter().any(|(given, _)| *given == "TERM") {
            command.env("TERM", "xterm-256color");
        }
        let (pty, inside) = pty_process::open()?;
        pty.resize(Size::new(40, 200))?;
        let child = pty_process::Command::from(command).spawn(inside)?;
        let shown = Vec::new();
        Ok(Self { pty, child, shown })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// What it shows next; `false`: nothing more, as the program has ended.
    async fn more(&mut self) -> Result<bool> {
        let read = timeout(PATIENCE, self.pty.read_buf(&mut self.shown)).await;
        match read.with_context(|| format!("nothing more is shown: {}", self.text()))? {
            Ok(0) => Ok(false),
            Ok(_) => Ok(true),
            // Whoever has the other side has closed it.
            Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn shows(&mut self, wanted: &str) -> Result<()> {
        while !self.text().contains(wanted) {
            ensure!(
                self.more().await?,
                "{wanted:?} is not shown: {}",
                self.text()
            );
        }
        Ok(())
    }

    async fn types(&mut self, keys: &str) -> Result<()> {
        Ok(self.pty.write_all(keys.as_bytes()).await?)
    }

    /// The number that it ends with, and all that was shown.
    async fn ends(mut self) -> Result<(Option<i32>, String)> {
        while self.more().await? {}
        let status = timeout(PATIENCE, self.child.wait()).await??;
        Ok((status.code(), self.text()))
    }
}

/// What bars said, in order: whose, and how many percent.
fn bars(shown: &str) -> Vec<(String, u64)> {
    let shown = strip_ansi_codes(shown);
    let bar = |line: &str| {
        let (name, rest) = line.split_once(" [")?;
        let (_, rest) = rest.split_once("] ")?;
        let (percent, _) = rest.split_once(" %")?;
        Some((name.trim().to_owned(), percent.trim().parse().ok()?))
    };
    shown.split(['\r', '\n']).filter_map(bar).collect()
}

/// How often letters are coloured, or set bold.
fn colours(shown: &str) -> usize {
    let sequences = shown.split("\u{1b}[").skip(1);
    let kinds = sequences.filter_map(|it| it.chars().find(char::is_ascii_alphabetic));
    kinds.filter(|it| *it == 'm').count()
}

fn posts(service: &Service) -> usize {
    let asked = service.asked();
    asked.iter().filter(|it| it.0.starts_with("POST ")).count()
}

fn drained() -> Result<Service> {
    let check = json!({"movable": [SERVER], "blocked": [], "fix": null});
    Service::start(&[
        ("GET /hosts/host-1/drain-check", &[(200, check)]),
        (
            "POST /hosts/host-1/maintenance",
            &[(202, maintenance("entering", false))],
        ),
    ])
}

#[tokio::test]
async fn a_drain_begins_once_somebody_has_agreed() -> Result<()> {
    let question = "Empty host-1, and hold it for maintenance? [y/N] ";
    for (answer, number, says) in [
        ("y\n", 0, "host-1 is held; the run"),
        ("YES\n", 0, "host-1 is held; the run"),
        ("n\n", 5, "nothing was changed"),
        ("\n", 5, "nothing was changed"),
        ("yess\n", 5, "nothing was changed"),
        (CTRL_D, 5, "nothing was changed"),
        (CTRL_C, 130, "godwit: interrupted\r\n"),
    ] {
        let service = drained()?;
        let mut terminal = service.terminal(&[], &["drain", "host-1"])?;
        terminal.shows(question).await?;
        assert_eq!(posts(&service), 0, "{answer:?}");
        terminal.types(answer).await?;
        let (code, shown) = terminal.ends().await?;
        assert_eq!(code, Some(number), "{answer:?}: {shown}");
        assert!(shown.contains("host-1: 1 can move, 0 cannot"), "{shown}");
        assert!(shown.contains(says), "{answer:?}: {shown}");
        assert_eq!(posts(&service), usize::from(number == 0), "{answer:?}");
        service.stop().await;
    }
    Ok(())
}

/// A run whose document goes back and forth, and so does the guest's memory.
fn unsteady() -> Result<Service> {
    let running = |percent| {
        let mut run = run("running", "running", percent);
        run["operations"][0]["migration"] = json!(MIGRATION);
        (200, run)
    };
    let percents = [10, 10, 40, 40, 40, 40, 20, 20, 20, 20, 60, 60, 60];
    let mut looks: Vec<(u16, Value)> = percents.map(running).into();
    looks.push((200, run("completed", "completed", 100)));
    let memory = |(remaining, sent): (u64, u64)| {
        let migration = json!({
            "uuid": MIGRATION, "status": "running", "memory_total_bytes": 1000 * MIB,
            "memory_remaining_bytes": remaining * MIB, "memory_processed_bytes": sent * MIB,
        });
        (200, migration)
    };
    let memories = [
        (900, 100),
        (600, 400),
        (600, 400),
        (300, 700),
        (300, 700),
        (700, 1_000),
        (700, 1_500),
        (800, 1_500),
        (800, 1_500),
        (250, 2_000),
    ];
    Service::start(&[
        (&format!("GET /runs/{RUN}"), &looks),
        (
            &format!("GET /migrations/{MIGRATION}"),
            &memories.map(memory),
        ),
    ])
}

#[tokio::test]
async fn bars_never_run_backwards_and_what_is_sent_again_stands_beside_them() -> Result<()> {
    let service = unsteady()?;
    let terminal = service.terminal(&[], &["watch", RUN, "--timeout", "60"])?;
    let (code, shown) = terminal.ends().await?;
    assert_eq!(code, Some(0), "{shown}");
    let bars = bars(&shown);
    for name in ["run", &SERVER[..20]] {
        let percents = bars.iter().filter(|(it, _)| it.starts_with(name));
        let percents: Vec<u64> = percents.map(|it| it.1).collect();
        assert!(percents.is_sorted(), "{name}: {percents:?}");
        assert!(percents.iter().max() > Some(&50), "{name}: {percents:?}");
        assert!(percents.iter().max() < Some(&100), "{name}: {percents:?}");
    }
    // 1,500 MiB were sent while 700 MiB had arrived.
    assert!(shown.contains("800.0 MiB sent again"), "{shown}");
    assert!(shown.contains("left"), "{shown}");
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn colour_repeats_words_and_can_be_done_without() -> Result<()> {
    let completed = run("completed", "completed", 100);
    let shown = format!("GET /runs/{RUN}");
    let service = Service::start(&[(&shown, &[(200, completed)])])?;
    let arguments = ["run", "show", RUN];
    let (code, coloured) = service.terminal(&[], &arguments)?.ends().await?;
    assert_eq!(code, Some(0), "{coloured}");
    assert!(colours(&coloured) > 0, "{coloured:?}");
    let same_words = strip_ansi_codes(&coloured).into_owned();
    assert!(same_words.contains(": completed, 100 %"), "{same_words}");
    for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let (_, shown) = service.terminal(&[plain], &arguments)?.ends().await?;
        assert_eq!(shown, same_words, "{plain:?}");
    }
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_nobody_sees_has_no_sequences_for_terminals() -> Result<()> {
    let watch = ["watch", RUN, "--timeout", "60"];
    let shown = format!("GET /runs/{RUN}");
    let looks = ["running", "running", "completed"].map(|it| (200, run(it, it, 50)));
    let service = Service::start(&[(&shown, &looks)])?;
    let output = service.run(&watch).await?;
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains(&0x1b), "{output:?}");
    }
    assert_eq!(bars(&String::from_utf8(output.stdout)?), []);
    service.stop().await;

    // Such a terminal shows them as letters.
    let service = Service::start(&[(&shown, &looks)])?;
    let dumb = service.terminal(&[("TERM", "dumb")], &watch)?;
    let (code, shown) = dumb.ends().await?;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("running -> completed"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn somebody_who_waits_no_longer_cancels_nothing_and_learns_how_to_go_on() -> Result<()> {
    let begun = run("running", "running", 10);
    let service = Service::start(&[
        (&format!("POST /plans/{PLAN}/runs"), &[(202, begun.clone())]),
        (&format!("GET /runs/{RUN}"), &[(200, begun)]),
    ])?;
    let mut terminal = service.terminal(&[], &["plan", "run", PLAN, "--wait"])?;
    terminal.shows("] ").await?;
    terminal.types(CTRL_C).await?;
    let (code, shown) = terminal.ends().await?;
    assert_eq!(code, Some(130), "{shown}");
    let told = format!("godwit: interrupted; the run goes on: godwit watch {RUN}\r\n");
    assert!(shown.ends_with(&told), "{shown:?}");
    assert_eq!(posts(&service), 1, "{:?}", service.asked());

    let arguments = ["watch", RUN, "--timeout", "1"];
    let (code, shown) = service.terminal(&[], &arguments)?.ends().await?;
    assert_eq!(code, Some(6), "{shown}");
    let told = format!("after 1 s; the run goes on: godwit watch {RUN}\r\n");
    assert!(shown.ends_with(&told), "{shown:?}");
    service.stop().await;
    Ok(())
}

//! One server's worker: takes its commands one after the other.
//!
//! Steps run in tasks of their own, so a conductor that gives up waiting changes nothing, and
//! the same command sent again joins the step under way. An abort, a roll-back or a withdrawal
//! stops a preparation or a start that is still under way, and anything what is still being done
//! to the server's power; nothing else is ever interrupted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::ServerUuid;
use godwit_rpc::command::{
    Boot, Command, ForceMeans, Power, Powered, Prepare, Rank, Receiver, RollBack, Side, Start,
    Withdraw,
};
use godwit_rpc::refusal::Refusal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::shared::Shared;
use super::{power as powering, steps};
use crate::journal::NotTaken;

/// Commands that may wait for one server. A conductor sends few; more is somebody's loop.
const WAITING: usize = 16;

/// A worker with nothing to do ends after this.
const IDLE: Duration = Duration::from_secs(60);

/// A command about a move, of whichever kind.
#[derive(Clone, Debug)]
pub(super) enum MoveCommand {
    Prepare(Box<Prepare>),
    Start(Start),
    Abort(Command),
    ForceComplete(Command),
    Finish(Command),
    RollBack(RollBack),
    Boot(Boot),
    Withdraw(Withdraw),
}

impl MoveCommand {
    pub(super) fn command(&self) -> &Command {
        match self {
            Self::Prepare(prepare) => &prepare.command,
            Self::Start(start) => &start.command,
            Self::RollBack(roll_back) => &roll_back.command,
            Self::Boot(boot) => &boot.command,
            Self::Withdraw(withdraw) => &withdraw.command,
            Self::Abort(command) | Self::ForceComplete(command) | Self::Finish(command) => command,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Prepare(_) => "prepare",
            Self::Start(_) => "start",
            Self::Abort(_) => "abort",
            Self::ForceComplete(_) => "force_complete",
            Self::Finish(_) => "finish",
            Self::RollBack(_) => "roll_back",
            Self::Boot(_) => "boot",
            Self::Withdraw(_) => "withdraw",
        }
    }

    /// Is this the same command, sent again?
    fn repeats(&self, other: &Self) -> bool {
        let starts = |command: &Self| {
            matches!(command, Self::RollBack(roll_back) if roll_back.resume)
                || matches!(command, Self::Boot(boot) if boot.power_on)
        };
        self.name() == other.name()
            && self.command().what == other.command().what
            && starts(self) == starts(other)
    }

    /// Is `other`, which is under way, pointless now?
    fn stops(&self, other: &Self) -> bool {
        matches!(self, Self::Abort(_) | Self::RollBack(_) | Self::Withdraw(_))
            && matches!(other, Self::Prepare(_) | Self::Start(_))
            && self.command().what.migration == other.command().what.migration
    }
}

/// What a worker is told: a step of a move on one of its sides, or something to the server's power.
#[derive(Clone, Debug)]
pub(super) enum AgentCommand {
    Move(Box<MoveCommand>, Side),
    Power(Power),
}

/// What came of a step; most have nothing to say but that it is done.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Done,
    Prepared(Receiver),
    Forced(ForceMeans),
    Powered(Powered),
}

pub(super) type Answer = Result<Reply, Refusal>;

impl AgentCommand {
    const fn name(&self) -> &'static str {
        match self {
            Self::Move(command, _) => command.name(),
            Self::Power(power) => power.action.as_str(),
        }
    }

    fn server(&self) -> ServerUuid {
        match self {
            Self::Move(command, _) => command.command().what.server,
            Self::Power(power) => power.server,
        }
    }

    fn rank(&self) -> Rank {
        match self {
            Self::Move(command, _) => command.command().rank,
            Self::Power(power) => power.rank,
        }
    }

    /// The newest command of the same subject that was taken.
    fn newest(&self, shared: &Shared) -> Option<Rank> {
        let journal = &shared.journal;
        Some(match self {
            Self::Move(command, _) => journal.find(command.command().what.migration)?.rank,
            Self::Power(power) => journal.power().find(power.server)?.rank,
        })
    }

    /// Is this the same command, sent again?
    fn repeats(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Move(command, _), Self::Move(other, _)) => command.repeats(other),
            (Self::Power(power), Self::Power(other)) => {
                power.rank.sequence == other.rank.sequence && power.action == other.action
            }
            (Self::Move(..), Self::Power(_)) | (Self::Power(_), Self::Move(..)) => false,
        }
    }

    /// Is `other`, which is under way, pointless now? Nobody asks for anything while a server's
    /// power is being changed, unless that has been given up, or cut short by a hard reboot.
    fn stops(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Move(command, _), Self::Move(other, _)) => command.stops(other),
            (Self::Move(..) | Self::Power(_), Self::Power(_)) => true,
            (Self::Power(_), Self::Move(..)) => false,
        }
    }

    /// Remembers the command, or refuses it.
    async fn take(&self, shared: &Shared) -> Result<(), NotTaken> {
        let now = shared.now();
        match self {
            Self::Move(command, side) => {
                let taken = shared.journal.take(command.command(), *side, now);
                taken.await.map(drop)
            }
            Self::Power(power) => shared.journal.power().take(power, now).await,
        }
    }

    fn span(&self) -> tracing::Span {
        let server = self.server();
        match self {
            Self::Move(command, _) => tracing::info_span!(
                "step",
                step = self.name(),
                migration = %command.command().what.migration,
                %server,
                request_id = command.command().request_id,
            ),
            Self::Power(power) => tracing::info_span!(
                "step",
                step = self.name(),
                %server,
                request_id = power.request_id,
            ),
        }
    }

    async fn perform(self, shared: Arc<Shared>, cancel: CancellationToken) -> Answer {
        match self {
            Self::Move(command, _) => steps::perform(shared, *command, cancel).await,
            Self::Power(power) => powering::perform(shared, power, cancel)
                .await
                .map(Reply::Powered),
        }
    }
}

/// A command and who waits for its answer.
#[derive(Debug)]
pub(super) struct Request {
    command: AgentCommand,
    answer: oneshot::Sender<Answer>,
}

/// Hands a command to the worker of its server, and waits for the answer.
pub(super) async fn submit(shared: &Arc<Shared>, command: AgentCommand) -> Answer {
    let (answer, answered) = oneshot::channel();
    let server = command.server();
    let request = Request { command, answer };
    let busy = || Refusal::Unavailable(format!("too many commands wait for server {server}"));
    {
        let mut workers = shared.workers();
        // One that is closed belonged to a worker that broke.
        workers.retain(|_, inbox| !inbox.is_closed());
        let inbox = workers
            .entry(server)
            .or_insert_with(|| spawn_worker(shared, server));
        inbox.try_send(request).map_err(|_| busy())?;
    }
    let stopping = |_| Refusal::Unavailable("the agent is being stopped".to_owned());
    answered.await.map_err(stopping)?
}

fn spawn_worker(shared: &Arc<Shared>, server: ServerUuid) -> mpsc::Sender<Request> {
    let (sender, inbox) = mpsc::channel(WAITING);
    let worker = Worker {
        shared: shared.clone(),
        server,
        inbox,
        waiting: VecDeque::new(),
        running: None,
    };
    shared.spawn(worker.work());
    sender
}

struct Worker {
    shared: Arc<Shared>,
    server: ServerUuid,
    inbox: mpsc::Receiver<Request>,
    waiting: VecDeque<Request>,
    running: Option<Running>,
}

struct Running {
    command: AgentCommand,
    cancel: CancellationToken,
    step: JoinHandle<Answer>,
    waiters: Vec<oneshot::Sender<Answer>>,
}

enum Happened {
    Asked(Box<Request>),
    Done(Answer),
    Idle,
}

impl Worker {
    async fn work(mut self) {
        loop {
            match self.next().await {
                Happened::Asked(request) => self.take(*request).await,
                Happened::Done(answer) => self.done(&answer),
                Happened::Idle => {
                    // Requests are sent under this lock, so none slips in behind our back.
                    let mut workers = self.shared.workers();
                    if self.inbox.is_empty() {
                        workers.remove(&self.server);
                        return;
                    }
                }
            }
            self.begin();
        }
    }

    async fn next(&mut self) -> Happened {
        match &mut self.running {
            Some(running) => tokio::select! {
                request = self.inbox.recv(), if self.waiting.len() < WAITING => {
                    request.map_or(Happened::Idle, |request| Happened::Asked(Box::new(request)))
                }
                answer = &mut running.step => Happened::Done(answer.unwrap_or_else(|broken| {
                    Err(Refusal::Unavailable(format!("the step broke: {broken}")))
                })),
            },
            None => match tokio::time::timeout(IDLE, self.inbox.recv()).await {
                Ok(Some(request)) => Happened::Asked(Box::new(request)),
                Ok(None) | Err(_) => Happened::Idle,
            },
        }
    }

    /// Remembers the command, or refuses it; then it runs, waits, or joins the one it repeats.
    async fn take(&mut self, request: Request) {
        if let Err(error) = request.command.take(&self.shared).await {
            return answer(request.answer, Err(not_taken(error)));
        }
        if let Some(running) = &mut self.running {
            if request.command.repeats(&running.command) {
                return running.waiters.push(request.answer);
            }
            if request.command.stops(&running.command) {
                running.cancel.cancel();
            }
        }
        self.waiting.push_back(request);
    }

    fn begin(&mut self) {
        while self.running.is_none()
            && let Some(request) = self.waiting.pop_front()
        {
            match request.command.newest(&self.shared) {
                Some(newest) if request.command.rank() < newest => {
                    answer(request.answer, Err(Refusal::Stale { newest }));
                }
                Some(_) | None => self.running = Some(self.run(request)),
            }
        }
    }

    fn run(&self, request: Request) -> Running {
        let cancel = CancellationToken::new();
        let span = request.command.span();
        let command = request.command.clone();
        let step = command.perform(self.shared.clone(), cancel.clone());
        let stop = self.shared.stop.clone();
        let step = async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => Err(Refusal::Unavailable("the agent ends".to_owned())),
                answer = step => answer,
            }
        };
        Running {
            step: tokio::spawn(step.instrument(span)),
            command: request.command,
            cancel,
            waiters: vec![request.answer],
        }
    }

    fn done(&mut self, outcome: &Answer) {
        let done = self.running.take().into_iter();
        for waiter in done.flat_map(|done| done.waiters) {
            answer(waiter, outcome.clone());
        }
    }
}

/// Whoever asked may have gone; the step was done all the same.
fn answer(to: oneshot::Sender<Answer>, answer: Answer) {
    drop(to.send(answer));
}

pub(super) fn not_taken(error: NotTaken) -> Refusal {
    match error {
        NotTaken::Stale(newest) => Refusal::Stale { newest },
        NotTaken::Journal(error) => Refusal::Unavailable(error.explain()),
    }
}

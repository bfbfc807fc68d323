//! One server's worker: takes its commands one after the other.
//!
//! Steps run in tasks of their own, so a conductor that gives up waiting changes nothing, and
//! the same command sent again joins the step under way. An abort, a roll-back or a withdrawal
//! stops a preparation or a start that is still under way; nothing else is ever interrupted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::ServerUuid;
use godwit_rpc::command::{Boot, Command, ForceMeans, Prepare, RollBack, Side, Start, Withdraw};
use godwit_rpc::refusal::Refusal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::shared::Shared;
use super::steps;
use crate::journal::NotTaken;

/// Commands that may wait for one server. A conductor sends few; more is somebody's loop.
const WAITING: usize = 16;

/// A worker with nothing to do ends after this.
const IDLE: Duration = Duration::from_secs(60);

/// A command, of whichever kind.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Prepare(Prepare),
    Start(Start),
    Abort(Command),
    ForceComplete(Command),
    Finish(Command),
    RollBack(RollBack),
    Boot(Boot),
    Withdraw(Withdraw),
}

impl Order {
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
        let starts = |order: &Self| match order {
            Self::RollBack(roll_back) => roll_back.resume,
            Self::Boot(boot) => boot.power_on,
            Self::Prepare(_)
            | Self::Start(_)
            | Self::Abort(_)
            | Self::ForceComplete(_)
            | Self::Finish(_)
            | Self::Withdraw(_) => false,
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

/// What a step answers. Only a forced completion has something to say.
pub(super) type Answer = Result<Option<ForceMeans>, Refusal>;

/// An order and who waits for its answer.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) order: Order,
    pub(super) side: Side,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// Hands an order to the worker of its server, and waits for the answer.
pub(super) async fn order(shared: &Arc<Shared>, order: Order, side: Side) -> Answer {
    let (answer, answered) = oneshot::channel();
    let server = order.command().what.server;
    let request = Request {
        order,
        side,
        answer,
    };
    let busy = || Refusal::Unavailable(format!("too many commands wait for server {server}"));
    {
        let mut workers = shared.workers();
        // One that is closed belonged to a worker that broke.
        workers.retain(|_, inbox| !inbox.is_closed());
        let inbox = workers
            .entry(server)
            .or_insert_with(|| hire(shared, server));
        inbox.try_send(request).map_err(|_| busy())?;
    }
    let stopping = |_| Refusal::Unavailable("the agent is being stopped".to_owned());
    answered.await.map_err(stopping)?
}

fn hire(shared: &Arc<Shared>, server: ServerUuid) -> mpsc::Sender<Request> {
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
    order: Order,
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
        let command = request.order.command();
        let now = self.shared.now();
        let taken = self.shared.journal.take(command, request.side, now).await;
        if let Err(not_taken) = taken {
            return answer(request.answer, Err(refusal(not_taken)));
        }
        if let Some(running) = &mut self.running {
            if request.order.repeats(&running.order) {
                return running.waiters.push(request.answer);
            }
            if request.order.stops(&running.order) {
                running.cancel.cancel();
            }
        }
        self.waiting.push_back(request);
    }

    fn begin(&mut self) {
        while self.running.is_none()
            && let Some(request) = self.waiting.pop_front()
        {
            let command = request.order.command();
            let newest = self.shared.journal.find(command.what.migration);
            match newest.map(|entry| entry.rank) {
                Some(newest) if command.rank < newest => {
                    answer(request.answer, Err(Refusal::Stale { newest }));
                }
                Some(_) | None => self.running = Some(self.run(request)),
            }
        }
    }

    fn run(&self, request: Request) -> Running {
        let cancel = CancellationToken::new();
        let span = tracing::info_span!(
            "step",
            step = request.order.name(),
            migration = %request.order.command().what.migration,
            server = %self.server,
            request_id = request.order.command().request_id,
        );
        let step = steps::perform(self.shared.clone(), request.order.clone(), cancel.clone());
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
            order: request.order,
            cancel,
            waiters: vec![request.answer],
        }
    }

    fn done(&mut self, outcome: &Answer) {
        for waiter in self
            .running
            .take()
            .into_iter()
            .flat_map(|done| done.waiters)
        {
            answer(waiter, outcome.clone());
        }
    }
}

/// Whoever asked may have gone; the step was done all the same.
fn answer(to: oneshot::Sender<Answer>, answer: Answer) {
    drop(to.send(answer));
}

fn refusal(not_taken: NotTaken) -> Refusal {
    match not_taken {
        NotTaken::Stale(newest) => Refusal::Stale { newest },
        NotTaken::Journal(error) => Refusal::Unavailable(error.explain()),
    }
}

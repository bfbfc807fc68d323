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
    Boot, Command, ForceMeans, Power, Powered, Prepare, Rank, RollBack, Side, Start, Withdraw,
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

/// What a worker does: a step of a move on one of its sides, or something to the server's power.
#[derive(Clone, Debug)]
enum Task {
    Step(Box<Order>, Side),
    Power(Power),
}

/// What came of it.
#[derive(Clone, Debug)]
enum Done {
    Step(Option<ForceMeans>),
    Power(Powered),
}

type Outcome = Result<Done, Refusal>;

impl Task {
    const fn name(&self) -> &'static str {
        match self {
            Self::Step(order, _) => order.name(),
            Self::Power(power) => power.action.as_str(),
        }
    }

    fn server(&self) -> ServerUuid {
        match self {
            Self::Step(order, _) => order.command().what.server,
            Self::Power(power) => power.server,
        }
    }

    fn rank(&self) -> Rank {
        match self {
            Self::Step(order, _) => order.command().rank,
            Self::Power(power) => power.rank,
        }
    }

    /// The newest command of the same subject that was taken.
    fn newest(&self, shared: &Shared) -> Option<Rank> {
        match self {
            Self::Step(order, _) => {
                let entry = shared.journal.find(order.command().what.migration);
                entry.map(|entry| entry.rank)
            }
            Self::Power(power) => {
                let entry = shared.journal.power().find(power.server);
                entry.map(|entry| entry.rank)
            }
        }
    }

    /// Is this the same command, sent again?
    fn repeats(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Step(order, _), Self::Step(other, _)) => order.repeats(other),
            (Self::Power(power), Self::Power(other)) => {
                power.rank.sequence == other.rank.sequence && power.action == other.action
            }
            (Self::Step(..), Self::Power(_)) | (Self::Power(_), Self::Step(..)) => false,
        }
    }

    /// Is `other`, which is under way, pointless now? Nobody asks for anything while a server's
    /// power is being changed, unless that has been given up, or cut short by a hard reboot.
    fn stops(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Step(order, _), Self::Step(other, _)) => order.stops(other),
            (Self::Step(..) | Self::Power(_), Self::Power(_)) => true,
            (Self::Power(_), Self::Step(..)) => false,
        }
    }

    /// Remembers the command, or refuses it.
    async fn take(&self, shared: &Shared) -> Result<(), NotTaken> {
        let now = shared.now();
        match self {
            Self::Step(order, side) => {
                let taken = shared.journal.take(order.command(), *side, now);
                taken.await.map(drop)
            }
            Self::Power(power) => shared.journal.power().take(power, now).await,
        }
    }

    fn span(&self) -> tracing::Span {
        let server = self.server();
        match self {
            Self::Step(order, _) => tracing::info_span!(
                "step",
                step = self.name(),
                migration = %order.command().what.migration,
                %server,
                request_id = order.command().request_id,
            ),
            Self::Power(power) => tracing::info_span!(
                "step",
                step = self.name(),
                %server,
                request_id = power.request_id,
            ),
        }
    }

    async fn perform(self, shared: Arc<Shared>, cancel: CancellationToken) -> Outcome {
        match self {
            Self::Step(order, _) => steps::perform(shared, *order, cancel).await.map(Done::Step),
            Self::Power(power) => powering::perform(shared, power, cancel)
                .await
                .map(Done::Power),
        }
    }
}

/// A task and who waits for its answer.
#[derive(Debug)]
pub(super) struct Request {
    task: Task,
    answer: oneshot::Sender<Outcome>,
}

/// Hands an order to the worker of its server, and waits for the answer.
pub(super) async fn order(shared: &Arc<Shared>, order: Order, side: Side) -> Answer {
    match hand(shared, Task::Step(Box::new(order), side)).await? {
        Done::Step(means) => Ok(means),
        Done::Power(_) => Err(Refusal::NoJob),
    }
}

/// The same of what is done to a server's power.
pub(super) async fn power(shared: &Arc<Shared>, power: Power) -> Result<Powered, Refusal> {
    match hand(shared, Task::Power(power)).await? {
        Done::Power(powered) => Ok(powered),
        Done::Step(_) => Err(Refusal::NoJob),
    }
}

async fn hand(shared: &Arc<Shared>, task: Task) -> Outcome {
    let (answer, answered) = oneshot::channel();
    let server = task.server();
    let request = Request { task, answer };
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
    task: Task,
    cancel: CancellationToken,
    step: JoinHandle<Outcome>,
    waiters: Vec<oneshot::Sender<Outcome>>,
}

enum Happened {
    Asked(Box<Request>),
    Done(Outcome),
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
        if let Err(not_taken) = request.task.take(&self.shared).await {
            return answer(request.answer, Err(refusal(not_taken)));
        }
        if let Some(running) = &mut self.running {
            if request.task.repeats(&running.task) {
                return running.waiters.push(request.answer);
            }
            if request.task.stops(&running.task) {
                running.cancel.cancel();
            }
        }
        self.waiting.push_back(request);
    }

    fn begin(&mut self) {
        while self.running.is_none()
            && let Some(request) = self.waiting.pop_front()
        {
            match request.task.newest(&self.shared) {
                Some(newest) if request.task.rank() < newest => {
                    answer(request.answer, Err(Refusal::Stale { newest }));
                }
                Some(_) | None => self.running = Some(self.run(request)),
            }
        }
    }

    fn run(&self, request: Request) -> Running {
        let cancel = CancellationToken::new();
        let span = request.task.span();
        let task = request.task.clone();
        let step = task.perform(self.shared.clone(), cancel.clone());
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
            task: request.task,
            cancel,
            waiters: vec![request.answer],
        }
    }

    fn done(&mut self, outcome: &Outcome) {
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
fn answer(to: oneshot::Sender<Outcome>, answer: Outcome) {
    drop(to.send(answer));
}

pub(super) fn refusal(not_taken: NotTaken) -> Refusal {
    match not_taken {
        NotTaken::Stale(newest) => Refusal::Stale { newest },
        NotTaken::Journal(error) => Refusal::Unavailable(error.explain()),
    }
}
